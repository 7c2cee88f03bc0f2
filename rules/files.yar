// Attachments by what they are and what they are called.

rule EXECUTABLE_ATTACHMENT
{
    meta:
        description = "a program is attached"
        author      = "mailward"
        reference   = "PE format: https://learn.microsoft.com/windows/win32/debug/pe-format"
        severity    = "high"
        category    = "suspicious"
        score       = 6
    condition:
        not is_raw and (
            uint16be(0) == 0x4D5A and uint32be(uint32(0x3C)) == 0x50450000
            or part_name matches /\.(exe|scr|pif|cpl|msi|msp|dll|xll|ocx|appx|msix)\s{0,200}$/i
        )
}

rule NAME_DISGUISED
{
    meta:
        description = "the attachment's name hides that it is a program or script"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1036.007, T1036.002"
        severity    = "high"
        category    = "malware"
        score       = 7
    condition:
        not is_raw and (
            part_name matches /\.(pdf|docx?|xlsx?|pptx?|rtf|txt|csv|jpe?g|png|gif|bmp|tiff?|mp3|mp4|wav|html?)[\s_.-]{0,200}\.(exe|scr|com|pif|cpl|bat|cmd|jse?|vbs|vbe|wsf|wsh|hta|lnk|msi|ps1|jar|iso|img|vhdx?)\s{0,200}$/i
            or part_name matches /\s{10,200}\.[a-z0-9]{2,4}$/i
            // Right-to-left override: "invoice_fdp.exe" is shown as "invoice_exe.pdf".
            or part_name contains "\xE2\x80\xAE"
        )
}

rule LNK_ATTACHMENT
{
    meta:
        description = "a Windows shortcut is attached"
        author      = "mailward"
        reference   = "MS-SHLLINK 2.1"
        severity    = "medium"
        category    = "suspicious"
        score       = 4
    condition:
        not is_raw and uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200 and uint32be(8) == 0x00000000
}

rule LNK_DROPPER
{
    meta:
        description = "a Windows shortcut that starts a command interpreter"
        author      = "mailward"
        reference   = "MS-SHLLINK 2.4 (StringData); MITRE ATT&CK T1204.002"
        severity    = "high"
        category    = "malware"
        score       = 8
    strings:
        $program = /(powershell|pwsh\.exe|cmd\.exe|mshta|wscript|cscript|rundll32|regsvr32|certutil|bitsadmin|msiexec|conhost\.exe|forfiles)/ ascii wide nocase
        $does    = /( \/[ck] |-enc|-w(indowstyle)? h|https?:\/\/|-ex[a-z]* bypass|javascript:|vbscript:|DownloadString|Invoke-|iex[ (]|FromBase64)/ ascii wide nocase
    condition:
        not is_raw and uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200 and $program and $does
}

rule DISK_IMAGE_ATTACHMENT
{
    meta:
        description = "a disk image is attached, which takes files past the mark of the web"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1553.005"
        severity    = "medium"
        category    = "suspicious"
        score       = 4
    strings:
        $iso  = "CD001" fullword
        $udf  = /(BEA01|NSR0[23])/
        $vhdx = "vhdxfile"
        $vhd  = "conectix"
    condition:
        not is_raw and (
            $iso at 32769 or $udf at 32769 or $vhdx at 0 or $vhd at 0
            or filesize > 1024 and $vhd at filesize - 512
        )
}

rule DISK_IMAGE_DROPPER
{
    meta:
        description = "a disk image with a program, script or shortcut in it"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1553.005; ECMA-119 7.5 (file identifiers)"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $iso    = "CD001" fullword
        $name   = /\.(LNK|EXE|SCR|HTA|JSE?|VBS|VBE|WSF|BAT|CMD|DLL|PS1);1/ nocase
        // Joliet: UTF-16, most significant byte first, "name.lnk" then perhaps ";1".
        $joliet = /\x00\.\x00(l\x00n\x00k|e\x00x\x00e|s\x00c\x00r|h\x00t\x00a|v\x00b\x00[se]|w\x00s\x00f|b\x00a\x00t|c\x00m\x00d|d\x00l\x00l|p\x00s\x001)/ nocase
    condition:
        not is_raw and $iso at 32769 and ($name or $joliet)
}

rule ARCHIVE_PROGRAM
{
    meta:
        description = "a zip archive with a program, script or shortcut in it"
        author      = "mailward"
        reference   = "APPNOTE.TXT 4.3.7 (local file header)"
        severity    = "high"
        category    = "suspicious"
        score       = 5
    strings:
        $entry = { 50 4B 03 04 }
    condition:
        not is_raw and uint32be(0) == 0x504B0304
        and for any i in (1..#entry) : (
            with
                last = uint32be(@entry[i] + 26 + uint16(@entry[i] + 26)) | 0x20202020 : (
                // .exe .scr .pif .cpl .msi .lnk .hta .vbs .vbe .wsf .wsh .jse .bat .cmd .ps1 .iso .img .vhd
                last == 0x2E657865 or last == 0x2E736372 or last == 0x2E706966 or last == 0x2E63706C
                or last == 0x2E6D7369 or last == 0x2E6C6E6B or last == 0x2E687461 or last == 0x2E766273
                or last == 0x2E766265 or last == 0x2E777366 or last == 0x2E777368 or last == 0x2E6A7365
                or last == 0x2E626174 or last == 0x2E636D64 or last == 0x2E707331 or last == 0x2E69736F
                or last == 0x2E696D67 or last == 0x2E766864
                // .js where it is (nearly) all there is: whole projects are sent as zip, too
                or #entry <= 3 and last & 0x00FFFFFF == 0x2E6A73
            )
        )
}

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

rule ACE_ARCHIVE
{
    meta:
        description = "an ACE archive: nobody sends these any more except malware"
        author      = "mailward"
        reference   = "CVE-2018-20250"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $ace = "**ACE**"
    condition:
        not is_raw and $ace at 7
}
