-- A clean mail is taken, ours is written on top of it, and what somebody forged is taken away.

connect()
begin("a clean mail", {
    { "X-Mailward-Verdict", "clean, says the sender" },
    { "X-Spam-Flag", "NO" },
    { "X-Else", "stays" },
})
finish("text", SMFIR_ACCEPT)
expect("verdict", mt.eom_check(conn, MT_HDRINSERT, "X-Mailward-Verdict", space .. "clean"), true)
expect("id", mt.eom_check(conn, MT_HDRINSERT, "X-Mailward-Id"), true)
expect("forged verdict", mt.eom_check(conn, MT_HDRDELETE, "X-Mailward-Verdict"), true)
expect("forged flag", mt.eom_check(conn, MT_HDRDELETE, "X-Spam-Flag"), true)
expect("other header", mt.eom_check(conn, MT_HDRDELETE, "X-Else"), false)
expect("appended header", mt.eom_check(conn, MT_HDRADD), false)
expect("body", mt.eom_check(conn, MT_BODYCHANGE), false)
expect("recipient added", mt.eom_check(conn, MT_RCPTADD, "<alice@example.org>"), false)
expect("recipient removed", mt.eom_check(conn, MT_RCPTDELETE, "<alice@example.org>"), false)
expect("the MTA's own quarantine", mt.eom_check(conn, MT_QUARANTINE), false)
mt.disconnect(conn)
