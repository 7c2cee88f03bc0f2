@powershell -File backup.ps1 -encoding utf8
