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
    condition:
        // "CD001"; "BEA01", "NSR02" and "NSR03"; "vhdxfile"; "conectix". Numbers, because a pattern, wherever it must
        // stand, has the whole file searched.
        not is_raw and (
            uint32be(32769) == 0x43443030 and uint8(32773) == 0x31
            or uint32be(32769) == 0x42454130 and uint8(32773) == 0x31
            or uint32be(32769) == 0x4E535230 and (uint8(32773) == 0x32 or uint8(32773) == 0x33)
            or uint32be(0) == 0x76686478 and uint32be(4) == 0x66696C65
            or uint32be(0) == 0x636F6E65 and uint32be(4) == 0x63746978
            or filesize > 1024 and uint32be(filesize - 512) == 0x636F6E65 and uint32be(filesize - 508) == 0x63746978
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
        $name   = /\.(LNK|EXE|SCR|HTA|JSE?|VBS|VBE|WSF|BAT|CMD|DLL|PS1);1/ nocase
        // Joliet: UTF-16, most significant byte first, "name.lnk" then perhaps ";1".
        $joliet = /\x00\.\x00(l\x00n\x00k|e\x00x\x00e|s\x00c\x00r|h\x00t\x00a|v\x00b\x00[se]|w\x00s\x00f|b\x00a\x00t|c\x00m\x00d|d\x00l\x00l|p\x00s\x001)/ nocase
    condition:
        not is_raw and uint32be(32769) == 0x43443030 and uint8(32773) == 0x31 and ($name or $joliet)
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

rule ACE_ARCHIVE
{
    meta:
        description = "an ACE archive: nobody sends these any more except malware"
        author      = "mailward"
        reference   = "CVE-2018-20250"
        severity    = "high"
        category    = "malware"
        score       = 7
    condition:
        // "**ACE**"
        not is_raw and uint32be(7) == 0x2A2A4143 and uint16be(11) == 0x452A and uint8(13) == 0x2A
}
