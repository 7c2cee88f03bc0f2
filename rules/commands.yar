// What starts a program from within a file of whatever kind. Such rules have every part searched: few patterns, and long ones.

rule HTA_APPLICATION
{
    meta:
        description = "an HTML application, which runs with the rights of a program"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1218.005"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $hta    = "<hta:application" nocase
        $script = /<script[\s>]/ nocase
    condition:
        not is_raw and $hta and $script
}

rule POWERSHELL_ENCODED
{
    meta:
        description = "a hidden or encoded PowerShell command in an attachment"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1059.001, T1027.010"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $encoded  = /powershell(\.exe)?["']?\s[^\r\n]{0,200}-e(nc|ncodedcommand)?\s{1,4}["']?[A-Za-z0-9+\/]{40}/ nocase
        $download = /powershell(\.exe)?["']?\s[^\r\n]{0,300}(DownloadString|DownloadFile|DownloadData|Invoke-WebRequest|iwr |irm )/ nocase
    condition:
        not is_raw and part_name != "" and not part_name matches /\.(md|txt|log|eml)$/i and any of them
}
