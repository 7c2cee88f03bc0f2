-- What is negotiated: edits of the header, the body and the recipients, nothing that would hide a stage from us.

conn = mt.connect(SOCKET, 40, 0.05)
if mt.negotiate(conn, 6, nil, nil) ~= nil then
    fail("negotiate")
end
for _, action in ipairs({ SMFIF_ADDHDRS, SMFIF_CHGHDRS, SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT }) do
    expect("action " .. action, mt.test_action(conn, action), true)
end
expect("changing who sent it", mt.test_action(conn, SMFIF_CHGFROM), false)
for _, hidden in ipairs({ SMFIP_NOCONNECT, SMFIP_NOHELO, SMFIP_NOMAIL, SMFIP_NORCPT, SMFIP_NOHDRS, SMFIP_NOBODY, SMFIP_NOEOH }) do
    expect("stage " .. hidden, mt.test_option(conn, hidden), false)
end
mt.disconnect(conn)
