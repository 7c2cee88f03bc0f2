-- What every script here begins with: steps that end the script when the filter does not take them.

-- miltertest does not print the text of an error.
function fail(text)
    mt.echo(text)
    error(text)
end

-- A call of miltertest's that must not fail, and the filter's answer to it.
function step(what, failed, wanted)
    if failed ~= nil then
        fail(what .. ": " .. tostring(failed))
    end
    expect(what, mt.getreply(conn), wanted or SMFIR_CONTINUE)
end

function expect(what, came, wanted)
    if came ~= wanted then
        fail(string.format("%s: wanted %s, came %s", what, tostring(wanted), tostring(came)))
    end
end

-- Connects as a stranger. SOCKET is where the daemon listens.
function connect()
    conn = mt.connect(SOCKET, 40, 0.05)
    if conn == nil then
        fail("nobody listens on " .. SOCKET)
    end
    mt.set_timeout(60)
    step("conninfo", mt.conninfo(conn, "mx.sender.example", "192.0.2.7"))
    step("helo", mt.helo(conn, "mx.sender.example"))
    -- Where both sides know it, values travel with the space after the colon.
    space = mt.test_option(conn, SMFIP_HDR_LEADSPC) and " " or ""
end

-- Envelope and header; `more` holds pairs of name and value.
function begin(subject, more)
    mt.macro(conn, SMFIC_MAIL, "i", "4ABCDE")
    step("mailfrom", mt.mailfrom(conn, "<a@sender.example>"))
    step("rcptto", mt.rcptto(conn, "<alice@example.org>"))
    step("data", mt.data(conn))
    step("From", mt.header(conn, "From", space .. "Anna <a@sender.example>"))
    step("To", mt.header(conn, "To", space .. "alice@example.org"))
    step("Subject", mt.header(conn, "Subject", space .. subject))
    step("Message-ID", mt.header(conn, "Message-ID", space .. "<" .. subject:gsub(" ", "-") .. "@sender.example>"))
    for _, field in ipairs(more or {}) do
        step(field[1], mt.header(conn, field[1], space .. field[2]))
    end
    step("eoh", mt.eoh(conn))
end

-- The body, and the filter's last word.
function finish(body, wanted)
    step("body", mt.bodystring(conn, body .. "\r\n"))
    step("eom", mt.eom(conn), wanted)
end
