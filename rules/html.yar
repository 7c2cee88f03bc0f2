// HTML and SVG: what a browser would do with the attachment.

rule HTML_SMUGGLING
{
    meta:
        description = "HTML that builds a file in the browser and saves it"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1027.006"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        $blob1   = "new Blob(" nocase
        $blob2   = "new File([" nocase
        $save1   = "msSaveOrOpenBlob"
        $save2   = "msSaveBlob"
        $save3   = "createObjectURL"
        $save4   = /["'`]\s{0,3}data:application\/(octet-stream|x-|zip|java|hta)[^"'`]{200}/ nocase
        $decode1 = "atob("
        $decode2 = "fromCharCode"
        $decode3 = "charCodeAt"
        $decode4 = "Uint8Array("
        $start1  = /\.download\s{0,3}=/
        $start2  = /setAttribute\(\s{0,3}["'`]download/
        $start3  = "saveAs("
        $start4  = ".click()"
        // What is hidden: MZ, zip, rar, 7z, OLE, ISO behind base64.
        $payload = /["'`](TVqQAAM|TVpQAAI|UEsDB[AB]|UmFyIRoH|N3q8ryc|0M8R4KGx)[A-Za-z0-9+\/]{40}/
        // A page that draws may well save its own picture (charts, reports): there only what it brings along counts.
        $draws1  = ".toBlob("
        $draws2  = ".toDataURL("
        $brings1 = /atob\s{0,3}\(\s{0,3}["'`][A-Za-z0-9+\/]{200}/
        $brings2 = /Uint8Array(\.of|\.from)?\(\s{0,3}\[?(\s{0,3}(0x)?[0-9a-fA-F]{1,3}\s{0,3},){100}/
    condition:
        not is_raw
        and (part_type == "text/html" or part_type contains "xml" or part_name matches /\.(s?html?|xhtml|xht|svg|hta)$/i)
        and (
            any of ($blob*) and any of ($save*) and any of ($decode*) and any of ($start*)
                and (none of ($draws*) or any of ($brings*))
            or $payload and any of ($blob*, $save*)
        )
}

rule HTML_OBFUSCATED
{
    meta:
        description = "an HTML attachment that writes itself from encoded text"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1027.013"
        severity    = "medium"
        category    = "phish"
        score       = 5
    strings:
        $decode = /(document\.write(ln)?|eval|innerHTML\s{0,3}=|location(\.href)?\s{0,3}=)\s{0,3}\(?\s{0,3}(window\.|self\.)?(unescape|atob|decodeURIComponent\s{0,2}\(\s{0,2}(escape\s{0,2}\(\s{0,2})?atob|String\.fromCharCode)\s{0,3}\(/
        $long1  = /unescape\s{0,3}\(\s{0,3}["']%[0-9A-Fa-f%]{180}/
        $long2  = /atob\s{0,3}\(\s{0,3}["'`][A-Za-z0-9+\/]{200}/
    condition:
        not is_raw and part_name matches /\.(s?html?|xhtml|xht)$/i and any of them
}

rule HTML_REDIRECT
{
    meta:
        description = "an HTML attachment that only leads to another site"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1566.001"
        severity    = "medium"
        category    = "phish"
        score       = 4
    strings:
        $meta   = /<meta[^>]{1,80}http-equiv\s{0,3}=\s{0,3}["']?refresh["']?[^>]{1,200}url\s{0,3}=\s{0,3}["']?https?:/ nocase
        $script = /(window|document|top|self)\.location(\.href)?\s{0,3}=\s{0,3}["'`]https?:/ nocase
        $call   = /location\.(replace|assign)\(\s{0,3}["'`]https?:/ nocase
    condition:
        not is_raw and filesize < 4KB and part_name matches /\.(s?html?|xhtml|xht)$/i and any of them
}

rule CREDENTIAL_FORM
{
    meta:
        description = "an HTML form that asks for a password and sends it to another server"
        author      = "mailward"
        reference   = "MITRE ATT&CK T1598.003"
        severity    = "high"
        category    = "phish"
        score       = 6
    strings:
        // Not to the end of "https://": each link would be looked at.
        $form     = /<form[^>]{1,400}action\s{0,3}=\s{0,3}["']?\s{0,3}ht/ nocase
        $password = /<input[^>]{0,300}type\s{0,3}=\s{0,3}["']?password/ nocase
        // Forms that a script sends.
        $send1    = /(fetch|XMLHttpRequest|sendBeacon)\s{0,3}\(/
        $send2    = /\$\.(ajax|post)\s{0,3}\(/
        $send3    = "api.telegram.org/bot" nocase
    condition:
        not is_raw
        and (part_type == "text/html" or part_type contains "xml" or part_name matches /\.(s?html?|xhtml|xht|svg)$/i)
        and $password and any of ($form, $send*)
}

rule SVG_SCRIPT
{
    meta:
        description = "an SVG image with a script or a page inside"
        author      = "mailward"
        reference   = "https://www.w3.org/TR/SVG2/interact.html#ScriptElement"
        severity    = "high"
        category    = "phish"
        score       = 6
    strings:
        $svg     = "<svg" nocase
        $script1 = /<script[\s>]/ nocase
        $script2 = /["']\s{0,3}javascript:/ nocase
        $script3 = /\son(load|error|click|begin)\s{0,3}=\s{0,3}["'][^"']{10}/ nocase
        $page    = /<foreignObject[\s>]/ nocase
        $frame   = /<(iframe|form|embed|object|meta)[\s>]/ nocase
    condition:
        not is_raw
        and (part_type contains "svg" or part_name iendswith ".svg")
        and $svg and (any of ($script*) or $page and $frame)
}
