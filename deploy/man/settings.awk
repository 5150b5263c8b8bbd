# The table of `oxidicom --settings` (Markdown) as paragraphs of oxidicom.conf(5), or, with -v form=conf, as a
# configuration file with every default in a comment.
BEGIN { FS = " \\| " }

function plain(text) {
    gsub(/`/, "", text)
    return text
}

# For troff: characters that it would read as an escape, a short hyphen, or, at the line's begin, a request.
function troff(text) {
    text = plain(text)
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/"/, "\\(dq", text)
    gsub(/~/, "\\(ti", text)
    gsub(/\^/, "\\(ha", text)
    if (text ~ /^[.']/)
        text = "\\&" text
    return text
}

function is_set_by_the_supervisor(name) {
    return name ~ /^OXIDICOM_(RUN_DIR|STATE_DIR|WRITER_ID|READY_FD)$/
}

/^## / {
    sub(/^## /, "")
    print form == "conf" ? "# --- " $0 " ---\n" : ".SS " $0
}

!/^\| `/ { next }

{
    sub(/^\| /, "")
    sub(/ \|$/, "")
    split(plain($1), names, " ")
    name = names[1]
}

form == "conf" && is_set_by_the_supervisor(name) { next }

form == "conf" {
    print "# " plain($4) "\n# Allowed: " plain($3) "."
    if ($2 != "required")
        print "#" name "=" ($2 == "none" ? "" : plain($2)) "\n"
    else
        print (name == "OXIDICOM_FILES_ROOT" ? name "=/srv/oxidicom\n" : "# Required.\n#" name "=\n")
    next
}

{
    # Addresses are too long to be spread over a line; .TP forgets an earlier .na.
    print ".TP\n.B " troff($1) "\n.na"
    print troff($4) "\n.br"
    print "Allowed: " troff($3) "; " ($2 == "required" ? "required." : "default: " troff($2) ".")
}
