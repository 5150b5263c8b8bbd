// The head of a data set: which elements count. Its structure is walk.c's; DCMTK knows the transfer syntaxes, and
// zlib inflates, so that it can be stopped between two pieces.
//
// DcmDataset::read is not used: it calls itself once per level, so that a data set of 128 KiB that nests 8000
// sequences overflows the stack of the process, and it gives up where other receivers go on.
#include "writer/dicom/head.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#define ZLIB_CONST
#include <zlib.h>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include "writer/dicom/walk.h"

namespace {

// In the order of head_tag_t, by tag.
constexpr uint32_t WANTED[HEAD_TAGS] = {
    0x00080005, 0x00080016, 0x00080018, 0x00080020, 0x00080050, 0x00080060, 0x00081030, 0x0008103E, 0x00100010,
    0x00100020, 0x00100030, 0x00100040, 0x00101010, 0x00181030, 0x0020000D, 0x0020000E, 0x00200011, 0x00200013,
};

// Without these an instance is refused, so they are worth going on for.
constexpr head_tag_t REQUIRED[] = {HEAD_STUDY_DATE, HEAD_PATIENT_ID, HEAD_STUDY_INSTANCE_UID,
                                   HEAD_SERIES_INSTANCE_UID};

// Deflated like its elder of JPEG 2000 (PS3.5 annex A), and unknown to DCMTK 3.6.7; its other unknown syntaxes are
// Explicit VR Little Endian around the pixels (PS3.5 A.4).
constexpr char JPIP_HTJ2K_REFERENCED_DEFLATE[] = "1.2.840.10008.1.2.4.205";

// What zlib allocates to inflate: a window of 32 KiB and its state.
constexpr size_t INFLATING_BYTES = 40 * 1024;

DcmXfer syntax_of(const char *uid) {
    const bool is_younger = std::strcmp(uid, JPIP_HTJ2K_REFERENCED_DEFLATE) == 0;
    DcmXfer xfer(is_younger ? UID_JPIPReferencedDeflateTransferSyntax : uid);
    return xfer.getXfer() == EXS_Unknown ? DcmXfer(EXS_LittleEndianExplicit) : xfer;
}

} // namespace

struct head {
    explicit head(const char *transfer_syntax_uid);
    ~head();
    head_state_t feed(const void *bytes, size_t size, uint64_t *budget);
    head_state_t finish();
    head_value_t value_of(size_t tag) const;
    size_t held() const;

    const bool is_deflated;

    std::array<walk_value_t, HEAD_TAGS> values{};
    std::string complaint;

  private:
    void walk_on(const uint8_t *bytes, size_t size, bool is_end);
    bool inflate_piece(uint64_t *budget);
    void fail(const char *why);

    walk_t *walk;
    z_stream zlib{}; // of a deflated data set
    bool has_ended = false;
    head_state_t state = HEAD_NEED_MORE;
};

head::head(const char *transfer_syntax_uid)
    : is_deflated(syntax_of(transfer_syntax_uid).getStreamCompression() != ESC_none) {
    for (size_t tag = 0; tag < HEAD_TAGS; tag++)
        values[tag].tag = WANTED[tag];
    for (const head_tag_t tag : REQUIRED)
        values[tag].is_required = true;
    const DcmXfer xfer = syntax_of(transfer_syntax_uid);
    walk = walk_new({static_cast<bool>(xfer.isExplicitVR()), static_cast<bool>(xfer.isBigEndian())}, values.data(),
                    values.size(), HEAD_VALUE_MAX_BYTES);
    if (is_deflated && inflateInit2(&zlib, -MAX_WBITS) != Z_OK) // without zlib's header (PS3.5 A.5)
        std::abort();                                           // there is no memory
}

head::~head() {
    walk_destroy(&walk);
    if (is_deflated)
        (void)inflateEnd(&zlib);
    for (const walk_value_t &value : values)
        std::free(value.bytes);
}

// The part behind the head need not be readable: then its elements are missing.
void head::fail(const char *why) {
    if (walk_has_any(walk) && walk_is_behind(walk)) {
        state = HEAD_READY;
        return;
    }
    complaint = walk_is_disordered(walk) ? std::string("elements are not in order, and ") + why : why;
    state = HEAD_UNREADABLE;
}

head_state_t head::feed(const void *bytes, size_t size, uint64_t *budget) {
    if (state != HEAD_NEED_MORE && state != HEAD_BUSY)
        return state;
    if (!is_deflated) {
        walk_on(static_cast<const uint8_t *>(bytes), size, false);
        return state;
    }
    if (state == HEAD_NEED_MORE) {
        zlib.next_in = static_cast<const Bytef *>(bytes);
        zlib.avail_in = static_cast<uInt>(size); // a chunk of the ring has at most 4 GiB
    }
    state = HEAD_NEED_MORE;
    while (inflate_piece(budget))
        ;
    return state;
}

head_state_t head::finish() {
    if (state == HEAD_NEED_MORE)
        walk_on(reinterpret_cast<const uint8_t *>(""), 0, true);
    if (state != HEAD_NEED_MORE)
        return state;
    if (!walk_has_any(walk))
        fail(walk_bytes(walk) == 0 ? "no element could be read" : "no element of the head could be read");
    else if (walk_is_between(walk))
        state = HEAD_READY;
    else
        fail(walk_is_inside(walk) ? "data set ends within a sequence" : "data set ends within its head");
    return state;
}

void head::walk_on(const uint8_t *bytes, size_t size, bool is_end) {
    const walk_state_t walked = walk_feed(walk, bytes, size, is_end);
    if (walked == WALK_DONE)
        state = HEAD_READY;
    else if (walked == WALK_TOO_DEEP)
        fail("sequences are nested too deeply");
}

// Inflates and looks through one piece; false: there is no more to do now.
bool head::inflate_piece(uint64_t *budget) {
    static thread_local uint8_t inflated[HEAD_PIECE_BYTES];
    if (has_ended)
        return false;
    if (budget && *budget == 0) {
        state = HEAD_BUSY;
        return false;
    }
    zlib.next_out = inflated;
    zlib.avail_out = sizeof inflated;
    const int result = ::inflate(&zlib, Z_SYNC_FLUSH);
    const size_t size = sizeof inflated - zlib.avail_out;
    if (budget)
        *budget -= *budget < size ? *budget : size;
    walk_on(inflated, size, false);
    has_ended = result == Z_STREAM_END;
    if (state == HEAD_NEED_MORE && !has_ended && result != Z_OK && result != Z_BUF_ERROR)
        fail("data set can't be inflated");
    if (state == HEAD_NEED_MORE && walk_bytes(walk) > HEAD_INFLATED_MAX_BYTES) {
        complaint = "head of the data set is too long";
        state = HEAD_UNREADABLE;
    }
    return state == HEAD_NEED_MORE && zlib.avail_out == 0; // else all bytes are used up
}

head_value_t head::value_of(const size_t tag) const {
    const walk_value_t &value = values[tag];
    if (&value == walk_unfinished(walk))
        return {nullptr, 0};
    return {value.bytes, value.size};
}

size_t head::held() const {
    return sizeof *this + walk_held(walk) + (is_deflated ? INFLATING_BYTES : 0);
}

// --- the C side: nothing throws out of it but for want of memory, which ends the process ---

bool head_start(void) {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    return dcmDataDict.isDictionaryLoaded();
}

head_t *head_new(const char *transfer_syntax_uid) {
    return new head(transfer_syntax_uid);
}

void head_destroy(head_t **self_p) {
    delete *self_p;
    *self_p = nullptr;
}

head_state_t head_feed(head_t *self, const void *bytes, size_t size) {
    return self->feed(bytes, size, nullptr);
}

head_state_t head_feed_within(head_t *self, const void *bytes, size_t size, uint64_t *budget) {
    return self->feed(bytes, size, budget);
}

bool head_is_deflated(const head_t *self) {
    return self->is_deflated;
}

size_t head_held(const head_t *self) {
    return self->held();
}

head_state_t head_finish(head_t *self) {
    return self->finish();
}

const char *head_complaint(const head_t *self) {
    return self->complaint.c_str();
}

void head_values(const head_t *self, head_value_t values[HEAD_TAGS]) {
    for (size_t tag = 0; tag < HEAD_TAGS; tag++)
        values[tag] = self->value_of(tag);
}

uint32_t head_tag_number(head_tag_t tag) {
    return WANTED[tag];
}

const char *head_dcmtk_version(void) {
    return OFFIS_DCMTK_VERSION_STRING;
}
