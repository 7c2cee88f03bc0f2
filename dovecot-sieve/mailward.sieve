# Files mail by what mailward wrote into its header. Runs for all users before their own scripts (sieve_before);
# README.md beside this file says how it is installed. Every action of it is tested with Dovecot 2.3.
#
# The fields can be trusted because mailward removes those that a sender wrote, and Postfix removes them
# while mailward is down (postfix/header_checks). Without both of these, do not use this script: a sender
# could write the fields himself. Mail that is held in quarantine never gets here.
#
# Nothing in this script needs to be changed. What it does is set in 90-mailward.conf, for all or for one user:
#   sieve_env_mailward_junk        the folder for spam, phishing and malware: "Junk", or "off" to file nothing
#   sieve_env_mailward_phishing    another folder for phishing; left out, it goes where spam goes
#   sieve_env_mailward_incomplete  "flag": mail that a scanner did not finish gets a keyword
require ["fileinto", "mailbox", "imap4flags", "variables", "environment", "vnd.dovecot.environment"];

# Released from quarantine by a person, who has looked at it: to the inbox, whatever other scripts say.
if header :is "X-Mailward-Action" "released" {
    fileinto "INBOX";
    stop;
}

set "junk" "Junk";
if environment :matches "vnd.dovecot.config.mailward_junk" "?*" {
    set "junk" "${1}${2}";
}
set "phishing" "${junk}";
if environment :matches "vnd.dovecot.config.mailward_phishing" "?*" {
    set "phishing" "${1}${2}";
}

# X-Mailward-Verdict is one word: clean, suspicious, spam, phish or malware. The keywords that begin with a dollar
# sign are those of IANA's list, by which mail programs warn; of ours, "$Mailward...", Thunderbird and Roundcube
# can show a colour. A folder is made where it is missing.
if header :is "X-Mailward-Verdict" "phish" {
    if string :is "${phishing}" "off" {
        addflag "$Phishing";
    } else {
        fileinto :create :flags ["$Phishing", "$Junk"] "${phishing}";
        stop;
    }
} elsif header :is "X-Mailward-Verdict" "malware" {
    # Where the admin has it tagged and delivered at all.
    if string :is "${junk}" "off" {
        addflag "$MailwardMalware";
    } else {
        fileinto :create :flags ["$MailwardMalware", "$Junk"] "${junk}";
        stop;
    }
} elsif anyof (header :is "X-Mailward-Verdict" "spam", header :is "X-Spam-Flag" "YES") {
    # X-Spam-Flag alone is what an older filter writes.
    if string :is "${junk}" "off" {
        addflag "$Junk";
    } else {
        fileinto :create :flags "$Junk" "${junk}";
        stop;
    }
} elsif header :is "X-Mailward-Verdict" "suspicious" {
    # It stays in the inbox. The words why are in X-Mailward-Reason, and the admin finds the rest with
    # `mailward explain` and the X-Mailward-Id.
    addflag "$MailwardSuspicious";
}

# A scanner that did not finish: the mail was delivered all the same because the admin chose so.
if environment :is "vnd.dovecot.config.mailward_incomplete" "flag" {
    if header :contains "X-Mailward-Coverage" ["=timeout", "=failed"] {
        addflag "$MailwardIncomplete";
    }
}

# What got here without a folder is kept, and the user's own scripts run.

# Mail in the name of a domain that did not send it, where the admin has such mail delivered ([policy.dmarc]): put
# your auth.authserv_id in place of mx.example.org and remove the number signs. mailward removes fields that a
# sender wrote under this name; those of others (OpenDKIM on another host, a mailing list) begin with another name
# and do not match. Look for failures only in this way, never for a pass: a sender chooses some of the words in
# the field, and could put "; dmarc=pass" among them.
# if header :matches "Authentication-Results" "mx.example.org;*; dmarc=fail *" {
#     addflag "$MailwardNotTheSender";
# }
