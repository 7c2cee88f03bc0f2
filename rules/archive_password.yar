// What only the whole message shows: an archive, and beside it the password that opens it.

rule ARCHIVE_PASSWORD_GIVEN
{
    meta:
        description = "an encrypted archive, and its password in the same mail"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1027.013; APPNOTE.TXT 4.4.4 (bit 0: encrypted)"
        severity    = "medium"
        category    = "suspicious"
        score       = 4
    strings:
        // A zip's first local header in base64: version, flags with bit 0 set.
        $zip      = /\nUEsDB(BQA|AoA|DMA)(AQ|AR|CQ|Cw|Aw|CA[EJ])[AIg]/
        // RAR 4 with encrypted headers; RAR 5's encryption header right behind the signature.
        $rar      = /\nUmFyIRoH(AM6Zc4AA|AQ[A-D][A-Za-z0-9+\/]{6}[AQgw][QRST])/
        $password = /([Pp]ass ?(word|code|wort)|PASS ?(WORD|CODE|WORT)|[Kk]ennwort|[Mm]ot de passe|[Cc]ontrase(\xc3\xb1|=C3=B1|\xf1|=F1)a|[Ss]enha|[Ww]achtwoord)( (is|ist|est|es|do|for|to|of|zum|la)[a-z ]{0,30})?\s{0,3}[:=]\s{0,3}(<b>|<strong>|\*|"|')?[^\s<>"']{3,30}/
    condition:
        is_raw and ($zip or $rar) and $password
}
