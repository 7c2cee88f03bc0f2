# Files mail by what mailward wrote into its header.
#
# Install for all users (Dovecot with Pigeonhole), before their own scripts:
#   install -m 644 mailward.sieve /etc/dovecot/sieve/mailward.sieve && sievec /etc/dovecot/sieve/mailward.sieve
#   plugin { sieve_before = /etc/dovecot/sieve/mailward.sieve }
#
# These fields can be trusted because mailward removes those that a sender wrote, and Postfix removes them
# while mailward is down (postfix/header_checks). Without both of these, do not use this script: a sender
# could write the fields himself. Mail that is held in quarantine never gets here.
require ["fileinto", "mailbox", "imap4flags"];

# X-Mailward-Verdict is one word: clean, suspicious, spam, phish or malware.
if header :is "X-Mailward-Verdict" ["spam", "phish", "malware"] {
    # Released from quarantine or only tagged, by the admin's rules. Junk is made if it is missing.
    fileinto :create "Junk";
    stop;
}

# For mail that passed an older filter which writes only this; mailward writes it, too.
if header :is "X-Spam-Flag" "YES" {
    fileinto :create "Junk";
    stop;
}

# Suspicious mail stays in the inbox, with a flag that mail programs can colour. The words why are in
# X-Mailward-Reason, and the admin finds the rest with `mailward explain` and the X-Mailward-Id.
if header :is "X-Mailward-Verdict" "suspicious" {
    addflag "$MailwardSuspicious";
}

# A scanner that did not finish: the mail was delivered all the same because the admin chose so. Remove the
# number sign to keep such mail apart.
# if header :contains "X-Mailward-Coverage" ["=timeout", "=failed"] {
#     addflag "$MailwardIncomplete";
# }

# Mail in the name of a domain that did not send it, where the admin has such mail delivered ([policy.dmarc]): put
# your auth.authserv_id in place of mx.example.org and remove the number signs. mailward removes fields that a
# sender wrote under this name; those of others (OpenDKIM on another host, a mailing list) begin with another name
# and do not match. Look for failures only in this way, never for a pass: a sender chooses some of the words in
# the field, and could put "; dmarc=pass" among them.
# if header :matches "Authentication-Results" "mx.example.org;*; dmarc=fail *" {
#     addflag "$MailwardNotTheSender";
# }
