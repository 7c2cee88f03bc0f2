// Office documents: what runs at opening. What lies inside a compressed container (docx, xlsx) shows
// only its file names here; its content is looked at once the container is unpacked.

rule MACRO_AUTOEXEC
{
    meta:
        description = "an office document with a macro that runs by itself"
        author      = "mailward"
        reference   = "MS-OVBA 2.4.1 (compressed source), 2.3.4.1 (_VBA_PROJECT)"
        severity    = "high"
        category    = "suspicious"
        score       = 5
    strings:
        // "Attribute VB_Name" as every compressed module begins: literals with a flag byte after each eight.
        $source  = { 41 74 74 72 69 62 75 74 00 65 20 56 42 5F 4E 61 6D }
        $project = "_VBA_PROJECT" wide
        // Names as they stand in the table of identifiers.
        $name1 = "AutoOpen" nocase
        $name2 = "Auto_Open" nocase
        $name3 = "AutoExec" nocase
        $name4 = "AutoClose" nocase
        $name5 = "Auto_Close" nocase
        $name6 = "Document_Open" nocase
        $name7 = "Document_Close" nocase
        $name8 = "Workbook_Open" nocase
        $name9 = "Workbook_BeforeClose" nocase
        // The same in compressed source alone (the table of identifiers can be emptied): a flag byte
        // may stand after any of the letters.
        $literal1 = /(A\x00utoOpen|Au\x00toOpen|Aut\x00oOpen|Auto\x00Open|AutoO\x00pen|AutoOp\x00en|AutoOpe\x00n)/
        $literal2 = /(A\x00uto_Open|Au\x00to_Open|Aut\x00o_Open|Auto\x00_Open|Auto_\x00Open|Auto_O\x00pen|Auto_Op\x00en|Auto_Ope\x00n)/
        $literal3 = /(D\x00ocument_\x00Open|Do\x00cument_O\x00pen|Doc\x00ument_Op\x00en|Docu\x00ment_Ope\x00n|Docum\x00ent_Open|Docume\x00nt_Open|Documen\x00t_Open|Document\x00_Open)/
        $literal4 = /(W\x00orkbook_\x00Open|Wo\x00rkbook_O\x00pen|Wor\x00kbook_Op\x00en|Work\x00book_Ope\x00n|Workb\x00ook_Open|Workbo\x00ok_Open|Workboo\x00k_Open|Workbook\x00_Open)/
    condition:
        not is_raw and uint32be(0) == 0xD0CF11E0
        and ($source or $project)
        and any of ($name*, $literal*)
}

rule MACRO_DOCUMENT
{
    meta:
        description = "an office document that carries macros"
        author      = "mailward"
        reference   = "ECMA-376 Part 2 (container), MS-OFFMACRO2 2.2.1.1 (vbaProject.bin)"
        severity    = "low"
        category    = "suspicious"
        score       = 2
    strings:
        $types = "[Content_Types].xml"
        $vba   = "/vbaProject.bin"
    condition:
        not is_raw and uint32be(0) == 0x504B0304 and $types and $vba
}

rule MACRO_DISGUISED
{
    meta:
        description = "macros in a file whose name promises a document without them"
        author      = "mailward"
        reference   = "https://support.microsoft.com/office (file name extensions in Office)"
        severity    = "high"
        category    = "malware"
        score       = 6
    strings:
        $types = "[Content_Types].xml"
        $vba   = "/vbaProject.bin"
    condition:
        not is_raw and uint32be(0) == 0x504B0304 and $types and $vba
        and part_name contains "."
        and not part_name matches /\.(doc|dot|xls|xlt|xla|ppt|pot|ppa|pps|sld)m$|\.(xlsb|xlam|zip)$/i
}

rule MACRO_EXCEL4
{
    meta:
        description = "a spreadsheet with an Excel 4 macro sheet"
        author      = "mailward"
        reference   = "MS-XLS 2.4.28 (BoundSheet8); MS-XLSB 2.1.7.30 (macro sheet)"
        severity    = "high"
        category    = "suspicious"
        score       = 5
    strings:
        $workbook = "Workbook" wide
        // BoundSheet8: offset, visible | hidden | very hidden, macro sheet, length of the name.
        $sheet    = { 85 00 ?? 00 ?? ?? ?? 00 ( 00 | 01 | 02 ) 01 ?? 00 }
        $types    = "[Content_Types].xml"
        $folder   = "xl/macrosheets/"
        // SYLK: a sheet of macros (O;E), or a name that runs at opening.
        $sylk1    = /\nO;[A-Z0-9;]{0,20}E[\r\n;]/
        $sylk2    = /\nNN;NAuto_(open|close)/ nocase
    condition:
        not is_raw and (
            uint32be(0) == 0xD0CF11E0 and $workbook and $sheet
            or uint32be(0) == 0x504B0304 and $types and $folder
            or uint32be(0) == 0x49443B50 and any of ($sylk*)
        )
}

rule DDE_COMMAND
{
    meta:
        description = "a field that starts a program through DDE"
        author      = "mailward"
        reference   = "https://learn.microsoft.com/security-updates/securityadvisories/2017/4053440"
        severity    = "high"
        category    = "malware"
        score       = 7
    strings:
        // Word: DDEAUTO c:\\windows\\system32\\cmd.exe …; the field name and a path or a program.
        $field = /DDE(AUTO)?[\s"'&;quot]{1,20}([a-z]:\\|cmd|mshta|powershell|rundll32|regsvr32)/ nocase
        // Spreadsheets and CSV: =cmd|'/c calc'!A0
        $cell  = /[=+@-][\s"']{0,4}(cmd|mshta|powershell|rundll32|regsvr32|msexcel)(\.exe)?[\s"']{0,2}\|[\s"']{0,4}[\/-]/ nocase
    condition:
        not is_raw and (
            (uint32be(0) == 0xD0CF11E0 or uint32be(0) == 0x7B5C7274 or part_type contains "xml"
             or part_name matches /\.(rtf|docx?|xml|mht)$/i) and $field
            or (part_name matches /\.(csv|tsv|txt|slk|iqy|xlsx?|xml)$/i or part_type endswith "csv") and $cell
        )
}

rule RTF_EXPLOIT
{
    meta:
        description = "an RTF document with an embedded object of a kind that is used in exploits"
        author      = "mailward"
        reference   = "CVE-2017-11882, CVE-2018-0802, CVE-2017-0199"
        severity    = "high"
        category    = "malware"
        score       = 8
    strings:
        $data     = /\\obj(data|update)/
        $class    = "Equation.3" nocase
        // "Equation.3", "Equation Native" and the class id of the editor as hexadecimal text.
        $hex1     = "4571756174696f6e2e33" nocase
        $hex2     = "4571756174696f6e204e6174697665" nocase
        $hex3     = "02ce020000000000c000000000000046" nocase
        // URL moniker.
        $hex4     = "e0c9ea79f9bace118c8200aa004ba90b" nocase
        $template = /\{\\\*\\template[\s]{1,4}(https?|\\\\\\\\|file):?/ nocase
    condition:
        not is_raw and uint32be(0) == 0x7B5C7274
        and ($data and any of ($class, $hex*) or $template)
}

rule ONENOTE_PAYLOAD
{
    meta:
        description = "a OneNote section with an embedded program or script"
        author      = "mailward"
        reference   = "MS-ONESTORE 2.6.13 (FileDataStoreObject)"
        severity    = "high"
        category    = "malware"
        score       = 8
    strings:
        $file   = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC }
        $script = /(<hta:application|<script|WScript\.|CreateObject|powershell|@echo off|cmd(\.exe)? \/c)/ nocase
    condition:
        not is_raw and uint32be(0) == 0xE4525C7B and uint32be(4) == 0x8CD8A74D
        and (
            $file and $script
            or for any i in (1..#file) : (
                uint16be(@file[i] + 36) == 0x4D5A or uint32be(@file[i] + 36) == 0x4C000000
            )
        )
}
