// The head of a data set: which elements count. Its structure is walk.c's; DCMTK knows the transfer syntaxes and
// inflates.
//
// DcmDataset::read is not used: it calls itself once per level, so that a data set of 128 KiB that nests 8000
// sequences overflows the stack of the process, and it gives up where other receivers go on.
#include "writer/dicom/head.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>

#include "writer/dicom/walk.h"

namespace {

// In the order of head_tag_t, which is that of the tags.
constexpr uint32_t WANTED[HEAD_TAGS] = {
    0x00080005, 0x00080016, 0x00080018, 0x00080020, 0x00080050, 0x00080060, 0x00081030, 0x0008103E, 0x00100010,
    0x00100020, 0x00100030, 0x00100040, 0x00101010, 0x00181030, 0x0020000D, 0x0020000E, 0x00200011, 0x00200013,
};

// Without these an instance is refused, so they are worth going on for.
constexpr head_tag_t REQUIRED[] = {HEAD_STUDY_DATE, HEAD_PATIENT_ID, HEAD_STUDY_INSTANCE_UID,
                                   HEAD_SERIES_INSTANCE_UID};

// Deflated like its elder of JPEG 2000 (PS3.5 annex A), and unknown to DCMTK 3.6.7; what else that does not know is
// Explicit VR Little Endian around the pixels (PS3.5 A.4).
constexpr char JPIP_HTJ2K_REFERENCED_DEFLATE[] = "1.2.840.10008.1.2.4.205";

const size_t INFLATED_AT_ONCE_BYTES = 64 * 1024;

DcmXfer syntax_of(const char *uid) {
    const bool is_younger = std::strcmp(uid, JPIP_HTJ2K_REFERENCED_DEFLATE) == 0;
    DcmXfer xfer(is_younger ? UID_JPIPReferencedDeflateTransferSyntax : uid);
    return xfer.getXfer() == EXS_Unknown ? DcmXfer(EXS_LittleEndianExplicit) : xfer;
}

} // namespace

struct head {
    explicit head(const char *transfer_syntax_uid);
    ~head();
    head_state_t feed(const void *bytes, size_t size);
    head_state_t finish();

    std::array<walk_value_t, HEAD_TAGS> values{};
    std::string complaint;

  private:
    void walk_on(const uint8_t *bytes, size_t size, bool is_end);
    void inflate();
    void fail(const char *why);

    walk_t *walk;
    std::unique_ptr<DcmInputBufferStream> deflated; // none: it is not
    head_state_t state = HEAD_NEED_MORE;
};

head::head(const char *transfer_syntax_uid) {
    for (size_t tag = 0; tag < HEAD_TAGS; tag++)
        values[tag].tag = WANTED[tag];
    for (const head_tag_t tag : REQUIRED)
        values[tag].is_required = true;
    const DcmXfer xfer = syntax_of(transfer_syntax_uid);
    walk = walk_new({static_cast<bool>(xfer.isExplicitVR()), static_cast<bool>(xfer.isBigEndian())}, values.data(),
                    values.size(), HEAD_VALUE_MAX_BYTES);
    if (xfer.getStreamCompression() == ESC_none)
        return;
    deflated = std::make_unique<DcmInputBufferStream>();
    if (deflated->installCompressionFilter(xfer.getStreamCompression()).bad())
        fail("compression of the transfer syntax is not supported");
}

head::~head() {
    walk_destroy(&walk);
    for (const walk_value_t &value : values)
        std::free(value.bytes);
}

// What is behind the head need not be readable: then what it lacks is missing.
void head::fail(const char *why) {
    if (walk_has_any(walk) && walk_is_behind(walk)) {
        state = HEAD_READY;
        return;
    }
    complaint = walk_is_disordered(walk) ? std::string("elements are not in order, and ") + why : why;
    state = HEAD_UNREADABLE;
}

head_state_t head::feed(const void *bytes, size_t size) {
    if (state != HEAD_NEED_MORE || size == 0) // DCMTK's stream breaks on an empty buffer
        return state;
    if (!deflated) {
        walk_on(static_cast<const uint8_t *>(bytes), size, false);
        return state;
    }
    deflated->setBuffer(bytes, static_cast<offile_off_t>(size));
    inflate();
    deflated->releaseBuffer();
    return state;
}

head_state_t head::finish() {
    if (state == HEAD_NEED_MORE && deflated) {
        deflated->setEos();
        inflate();
    }
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

void head::inflate() {
    static uint8_t inflated[INFLATED_AT_ONCE_BYTES]; // the writer reads heads in one thread
    offile_off_t size = 1;
    while (state == HEAD_NEED_MORE && size > 0) {
        size = deflated->read(inflated, sizeof inflated);
        walk_on(inflated, static_cast<size_t>(size), false);
        if (state == HEAD_NEED_MORE && deflated->status().bad() && deflated->status() != EC_EndOfStream)
            fail("data set can't be inflated");
        else if (state == HEAD_NEED_MORE && walk_bytes(walk) > HEAD_INFLATED_MAX_BYTES) {
            complaint = "head of the data set is too long";
            state = HEAD_UNREADABLE;
        }
    }
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
    return self->feed(bytes, size);
}

head_state_t head_finish(head_t *self) {
    return self->finish();
}

const char *head_complaint(const head_t *self) {
    return self->complaint.c_str();
}

void head_values(const head_t *self, head_value_t values[HEAD_TAGS]) {
    for (size_t tag = 0; tag < HEAD_TAGS; tag++)
        values[tag] = {self->values[tag].bytes, self->values[tag].size};
}

uint32_t head_tag_number(head_tag_t tag) {
    return WANTED[tag];
}

const char *head_dcmtk_version(void) {
    return OFFIS_DCMTK_VERSION_STRING;
}
