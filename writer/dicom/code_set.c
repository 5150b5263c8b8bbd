#include "writer/dicom/code_set.h"

#include <stddef.h>

const code_set_t CODE_SETS[CODE_SETS_COUNT] = {
    {6, G0, false, "(B", "US-ASCII", ""},
    {14, G0, false, "(J", "SJIS", ""}, /* its single bytes are JIS X 0201 */
    {13, G1, false, ")I", "SJIS", ""},
    {100, G1, false, "-A", "ISO-8859-1", ""},
    {101, G1, false, "-B", "ISO-8859-2", ""},
    {109, G1, false, "-C", "ISO-8859-3", ""},
    {110, G1, false, "-D", "ISO-8859-4", ""},
    {144, G1, false, "-L", "ISO-8859-5", ""},
    {127, G1, false, "-G", "ISO-8859-6", ""},
    {126, G1, false, "-F", "ISO-8859-7", ""},
    {138, G1, false, "-H", "ISO-8859-8", ""},
    {148, G1, false, "-M", "ISO-8859-9", ""},
    {203, G1, false, "-b", "ISO-8859-15", ""},
    {166, G1, false, "-T", "TIS-620", ""},
    {87, G0, true, "$B", "EUC-JP", ""},
    {159, G0, true, "$(D", "EUC-JP", "\x8F"}, /* JIS X 0212 is EUC-JP's third plane */
    {149, G1, true, "$)C", "EUC-KR", ""},
    {58, G1, true, "$)A", "EUC-CN", ""},
};

const code_set_t *code_set_numbered(int number) {
    for (int i = 0; i < CODE_SETS_COUNT; i++)
        if (CODE_SETS[i].number == number)
            return &CODE_SETS[i];
    return NULL;
}
