# A user moved a message out of Junk: mailward is told, puts that on record and has rspamd learn it as wanted.
# IMAPSieve runs this behind the move; whatever happens here, the message stays where the user put it.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables", "vnd.dovecot.environment"];

# Off for all, or for this user (90-mailward.conf).
if environment :is "vnd.dovecot.config.mailward_report" "off" {
    stop;
}

set "user" "";
if environment :matches "imap.user" "*" { set "user" "${1}"; }
set "mailbox" "";
if environment :matches "imap.mailbox" "*" { set "mailbox" "${1}"; }

# A copy within Junk says nothing.
set "junk" "Junk";
if environment :matches "vnd.dovecot.config.mailward_junk" "?*" { set "junk" "${1}${2}"; }
if string :is "${mailbox}" "${junk}" {
    stop;
}

# Who empties Junk does not say that spam is wanted. The names that mail programs give to the trash, at any
# level, in any case; add those of your language.
if string :comparator "i;ascii-casemap" :matches "${mailbox}" [
    "Trash", "*/Trash", "*.Trash", "Deleted*", "*/Deleted*", "*.Deleted*", "Bin", "*/Bin", "*.Bin",
    "Papierkorb", "*/Papierkorb", "*.Papierkorb", "Corbeille", "*/Corbeille", "*.Corbeille"
] {
    stop;
}

pipe :copy :try "mailward-report" ["ham", "${user}", "${mailbox}"];
