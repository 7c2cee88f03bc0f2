// The two public test strings. Both stand here in hexadecimal, so that this file is neither taken
// away by a virus scanner nor by a spam filter.

rule EICAR_TEST_FILE
{
    meta:
        description = "the EICAR anti-virus test file"
        author      = "mailward"
        reference   = "https://www.eicar.org/download-anti-malware-testfile/"
        severity    = "critical"
        category    = "malware"
        score       = 100
    strings:
        $eicar = { 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55 53 2D 54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A }
        // At the very start of a body, seen in the raw message.
        $body = { 0D 0A 0D 0A 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 }
        // The same in base64, at the start of a line.
        $base64 = { 0A 57 44 56 50 49 56 41 6C 51 45 46 51 57 7A 52 63 55 46 70 59 4E 54 51 6F 55 46 34 70 4E 30 4E 44 }
    condition:
        // In the middle of a text it is only a mail about EICAR.
        is_raw and ($body or $base64)
        or not is_raw and $eicar in (0..16)
        or not is_raw and $eicar and (not part_type startswith "text/" or uint16be(0) == 0x504B)
}

rule GTUBE
{
    meta:
        description = "the GTUBE test string for spam filters"
        author      = "mailward"
        reference   = "https://spamassassin.apache.org/gtube/"
        severity    = "high"
        category    = "spam"
        score       = 1000
    strings:
        $gtube = { 58 4A 53 2A 43 34 4A 44 42 51 41 44 4E 31 2E 4E 53 42 4E 33 2A 32 49 44 4E 45 4E 2A 47 54 55 42 45 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 2D 55 42 45 2D 54 45 53 54 2D 45 4D 41 49 4C 2A 43 2E 33 34 58 }
    condition:
        $gtube
}
