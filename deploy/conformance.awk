# Puts the parts that programs print into a document, between its markers of the same names:
#     awk -f conformance.awk PRINTED DOCUMENT
/^<!-- [a-z-]+:/ { name = $2 }
NR == FNR {
    part[name] = part[name] $0 "\n"
    next
}
/^<!-- [a-z-]+:/ && name in part { printf "%s", part[name]; inside = 1 }
!inside { print }
/^<!-- \/[a-z-]+ -->/ { inside = 0 }
