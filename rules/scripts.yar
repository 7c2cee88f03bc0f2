// Scripts and documents that run them.

rule SCRIPT_DROPPER
{
    meta:
        description = "an attached script that starts programs or loads them from elsewhere"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1059.005, T1059.007"
        severity    = "high"
        category    = "malware"
        score       = 8
    strings:
        $a1 = "WScript.Shell" nocase
        $a2 = "Shell.Application" nocase
        $a3 = "Scripting.FileSystemObject" nocase
        $a4 = "ADODB.Stream" nocase
        $a5 = /(MSXML2\.(Server)?XMLHTTP|WinHttp\.WinHttpRequest|Microsoft\.XMLHTTP)/ nocase
        $a6 = "winmgmts:" nocase
        $b1 = "ActiveXObject" nocase
        $b2 = "CreateObject" nocase
        $b3 = /(powershell|mshta|rundll32|regsvr32|certutil|bitsadmin)(\.exe)?["' ]/ nocase
        $b4 = /\.(Run|Exec|ShellExecute)\s?\(?\s?["'a-z]/ nocase
        // Windows Script Encoder.
        $encoded = "#@~^"
    condition:
        not is_raw
        and (part_name matches /\.(jse?|vbs|vbe|wsf|wsh|wsc|sct|hta|bat|cmd)$/i
             or part_type matches /^(application|text)\/(x-)?(javascript|ecmascript|vbscript|hta)$/)
        and (any of ($a*) and any of ($b*) or $encoded at 0)
}

rule PDF_LAUNCH
{
    meta:
        description = "a PDF that starts a program"
        author      = "mailward"
        reference   = "ISO 32000-1 12.6.4.5 (launch actions)"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $launch  = /\/S\s{0,4}\/Launch/
        $program = /(cmd\.exe|powershell|mshta|\.exe\)|\.vbs\)|\.js\)|\.bat\)|\.scr\))/ nocase
    condition:
        not is_raw and uint32be(0) == 0x25504446 and $launch and $program
}

rule PDF_SCRIPT_AT_OPENING
{
    meta:
        description = "a PDF that runs JavaScript when it is opened"
        author      = "mailward"
        reference   = "ISO 32000-1 7.7.2 (OpenAction), 12.6.4.16 (JavaScript)"
        severity    = "low"
        category    = "suspicious"
        score       = 2.5
    strings:
        $open   = "/OpenAction"
        $script = /\/S\s{0,4}\/JavaScript/
        $code   = /\/JS[\s(<]/
    condition:
        not is_raw and uint32be(0) == 0x25504446 and $open and $script and $code
}
