# A user moved a message into Junk: mailward is told, puts that on record and has rspamd learn it.
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

pipe :copy :try "mailward-report" ["spam", "${user}", "${mailbox}"];
