// The head of a data set: which elements count and when enough has been read. Its structure is walk.c's; DCMTK
// knows the transfer syntaxes and inflates.
//
// DcmDataset::read is not used: it calls itself once per level, so that a data set of 128 KiB that nests 8000
// sequences overflows the stack of the process, and it gives up where other receivers go on.
#include "writer/dicom/head.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
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
constexpr uint32_t LAST = WANTED[HEAD_INSTANCE_NUMBER];

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

    std::array<std::optional<std::string>, HEAD_TAGS> values;
    std::string complaint;

  private:
    bool on_element(const element_t &element, bool *is_wanted);
    bool on_value(const uint8_t *bytes, size_t size, uint32_t left);
    bool is_enough() const;
    void walk_on(const uint8_t *bytes, size_t size, bool is_end);
    void inflate();
    void fail(const char *why);

    walk_t *walk;
    std::unique_ptr<DcmInputBufferStream> deflated; // none: it is not
    head_state_t state = HEAD_NEED_MORE;
    bool has_any = false;    // an element of the head has been read
    bool disordered = false; // a tag of the top level is lower than the one before it
    uint32_t tag_before = 0;
    head_tag_t value_tag = HEAD_TAGS;
    element_t value_element{};
};

head::head(const char *transfer_syntax_uid) {
    const walk_listener_t listener = {
        this,
        [](void *self, const element_t *element, bool *is_wanted) {
            return static_cast<head *>(self)->on_element(*element, is_wanted);
        },
        [](void *self, const uint8_t *bytes, size_t size, uint32_t left) {
            return static_cast<head *>(self)->on_value(bytes, size, left);
        },
    };
    const DcmXfer xfer = syntax_of(transfer_syntax_uid);
    walk = walk_new({static_cast<bool>(xfer.isExplicitVR()), static_cast<bool>(xfer.isBigEndian())}, &listener);
    if (xfer.getStreamCompression() == ESC_none)
        return;
    deflated = std::make_unique<DcmInputBufferStream>();
    if (deflated->installCompressionFilter(xfer.getStreamCompression()).bad())
        fail("compression of the transfer syntax is not supported");
}

head::~head() {
    walk_destroy(&walk);
}

// What is behind the head need not be readable: then what it lacks is missing.
void head::fail(const char *why) {
    if (has_any && tag_before > LAST) {
        state = HEAD_READY;
        return;
    }
    complaint = disordered ? std::string("elements are not in order, and ") + why : why;
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
    if (!has_any)
        fail(walk_bytes(walk) == 0 ? "no element could be read" : "no element of the head could be read");
    else if (walk_is_between(walk))
        state = HEAD_READY;
    else
        fail(walk_is_inside(walk) ? "data set ends within a sequence" : "data set ends within its head");
    return state;
}

void head::walk_on(const uint8_t *bytes, size_t size, bool is_end) {
    const walk_state_t walked = walk_feed(walk, bytes, size, is_end);
    if (walked == WALK_STOPPED)
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

// Whether nothing that is wanted can be expected any more. In a data set that is in order that is known from the
// last wanted tag on, so that nobody reads gigabytes of pixels for a tag that is not there.
bool head::is_enough() const {
    return std::all_of(std::begin(REQUIRED), std::end(REQUIRED), [&](head_tag_t tag) { return values[tag]; });
}

bool head::on_element(const element_t &element, bool *is_wanted) {
    disordered = disordered || element.tag < tag_before;
    tag_before = element.tag;
    if (element.tag > LAST)
        return !is_enough();
    has_any = true;
    const uint32_t *wanted = std::lower_bound(WANTED, WANTED + HEAD_TAGS, element.tag);
    value_tag = static_cast<head_tag_t>(wanted - WANTED);
    value_element = element;
    *is_wanted = *wanted == element.tag && !values[value_tag]; // of two elements the first one counts
    return true;
}

bool head::on_value(const uint8_t *bytes, size_t size, uint32_t left) {
    std::optional<std::string> &value = values[value_tag];
    if (!value)
        value.emplace();
    value->append(reinterpret_cast<const char *>(bytes), std::min(size, HEAD_VALUE_MAX_BYTES - value->size()));
    if (left > 0)
        return true;
    if (value_element.is_number) {
        std::string &whole = *value;
        char number[ELEMENT_NUMBER_BYTES];
        element_number(&value_element, whole.data(), whole.size(), number);
        whole = number;
    }
    if (disordered)
        return !std::all_of(values.begin(), values.end(), [](const auto &known) { return known.has_value(); });
    return value_tag != HEAD_INSTANCE_NUMBER || !is_enough();
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
    for (size_t tag = 0; tag < HEAD_TAGS; tag++) {
        const std::optional<std::string> &value = self->values[tag];
        values[tag] = value ? head_value_t{value->c_str(), value->size()} : head_value_t{};
    }
}

uint32_t head_tag_number(head_tag_t tag) {
    return WANTED[tag];
}

const char *head_dcmtk_version(void) {
    return OFFIS_DCMTK_VERSION_STRING;
}
