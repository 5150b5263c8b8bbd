// Reading the head of a data set with DCMTK: its input streams (suspension, inflating), its tags, VRs and elements.
//
// Sequences are walked here and not by DcmDataset::read, which calls itself once per level: a data set of 128 KiB
// that nests 8000 sequences overflows the stack of the process. Nothing that is wanted lies in a sequence, so its
// content is only skipped.
#include "writer/dicom/head.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>

#include "common/limits.h"

namespace {

// In the order of head_tag_t.
const DcmTagKey WANTED[HEAD_TAGS] = {
    DCM_SpecificCharacterSet, DCM_SOPClassUID,    DCM_SOPInstanceUID,   DCM_StudyDate,
    DCM_AccessionNumber,      DCM_Modality,       DCM_StudyDescription, DCM_SeriesDescription,
    DCM_PatientName,          DCM_PatientID,      DCM_PatientBirthDate, DCM_PatientSex,
    DCM_PatientAge,           DCM_ProtocolName,   DCM_StudyInstanceUID, DCM_SeriesInstanceUID,
    DCM_SeriesNumber,         DCM_InstanceNumber,
};

// A sequence of undefined length, or an item of undefined length in one. Those of defined length are skipped whole.
struct Level {
    bool is_sequence;
    E_TransferSyntax syntax; // of the elements in it
};

enum class Step { HEADER, VALUE, SKIP };

// Skipped at once. The limit of the head is looked at in between: few bytes can inflate to very many.
const Uint32 SKIP_BYTES = 256 * 1024;

} // namespace

// A DcmDataset only to reach DCMTK's parser of element headers; it never holds an element.
struct head : private DcmDataset {
    explicit head(const char *transfer_syntax_uid);
    head_state_t feed(const void *bytes, size_t size);
    head_state_t finish();

    std::array<std::optional<std::string>, HEAD_TAGS> values;
    std::string complaint;

  private:
    head_state_t parse();
    void read_header();
    void read_value();
    void skip();
    void begin_element(DcmTag &tag, Uint32 length);
    void begin_in_sequence(const DcmTag &tag, Uint32 length);
    void begin_value(head_tag_t wanted, DcmTag &tag, Uint32 length);
    void keep_value();
    void begin_skip(Uint32 length);
    void descend(bool is_sequence, E_TransferSyntax syntax);
    void fail(const char *why);

    DcmInputBufferStream stream;
    E_TransferSyntax syntax;
    std::vector<Level> levels;
    head_state_t state = HEAD_NEED_MORE;
    Step step = Step::HEADER;
    bool is_suspended = false; // this step needs more bytes
    bool has_any = false;      // an element of the head has been read
    Uint32 skip_left = 0;
    head_tag_t value_tag = HEAD_TAGS;
    std::unique_ptr<DcmElement> element;
};

// Deflated like its elder of JPEG 2000 (PS3.5 annex A), and unknown to DCMTK 3.6.7; what else that does not know is
// Explicit VR Little Endian around the pixels (PS3.5 A.4).
constexpr char JPIP_HTJ2K_REFERENCED_DEFLATE[] = "1.2.840.10008.1.2.4.205";

head::head(const char *transfer_syntax_uid) : syntax(EXS_LittleEndianExplicit) {
    const bool is_younger = std::strcmp(transfer_syntax_uid, JPIP_HTJ2K_REFERENCED_DEFLATE) == 0;
    DcmXfer xfer(is_younger ? UID_JPIPReferencedDeflateTransferSyntax : transfer_syntax_uid);
    if (xfer.getXfer() == EXS_Unknown)
        return;
    syntax = xfer.getXfer();
    if (xfer.getStreamCompression() != ESC_none &&
        stream.installCompressionFilter(xfer.getStreamCompression()).bad())
        fail("compression of the transfer syntax is not supported");
}

void head::fail(const char *why) {
    complaint = why;
    state = HEAD_UNREADABLE;
}

head_state_t head::feed(const void *bytes, size_t size) {
    if (state != HEAD_NEED_MORE || size == 0) // DCMTK's stream breaks on an empty buffer
        return state;
    stream.setBuffer(bytes, static_cast<offile_off_t>(size));
    parse();
    // It keeps what has not been read, some bytes of an element's header.
    stream.releaseBuffer();
    return state;
}

head_state_t head::finish() {
    if (state != HEAD_NEED_MORE)
        return state;
    stream.setEos();
    if (parse() != HEAD_NEED_MORE)
        return state;
    if (!has_any)
        fail("no element could be read");
    else if (step == Step::HEADER && levels.empty() && stream.avail() == 0)
        state = HEAD_READY;
    else
        fail("data set ends within its head");
    return state;
}

head_state_t head::parse() {
    is_suspended = false;
    while (state == HEAD_NEED_MORE && !is_suspended) {
        // An inflating stream says that nothing is available until something has been read from it.
        stream.skip(0);
        if (stream.status().bad())
            fail("data set can't be inflated");
        else if (stream.tell() > HEAD_MAX_BYTES)
            fail("head of the data set is too long");
        else if (step == Step::HEADER)
            read_header();
        else if (step == Step::VALUE)
            read_value();
        else
            skip();
    }
    return state;
}

void head::read_header() {
    DcmTag tag;
    Uint32 length = 0, bytes_read = 0;
    OFCondition condition =
        readTagAndLength(stream, levels.empty() ? syntax : levels.back().syntax, tag, length, bytes_read);
    if (condition == EC_StreamNotifyClient || condition == EC_EndOfStream)
        is_suspended = true;
    else if (condition.bad() || (tag.getEVR() == EVR_na && tag.getGTag() != DCM_Item.getGroup()))
        // An element that gives DCMTK's own "na" as its VR: it takes the length for one of four bytes, without
        // having looked whether they are there.
        fail("malformed element");
    else if (!levels.empty() && levels.back().is_sequence)
        begin_in_sequence(tag, length);
    else
        begin_element(tag, length);
}

// An element of the data set or of an item.
void head::begin_element(DcmTag &tag, Uint32 length) {
    const DcmTagKey key = tag.getXTag();
    if (levels.empty() && key > WANTED[HEAD_INSTANCE_NUMBER]) {
        if (has_any)
            state = HEAD_READY;
        else
            fail("no element of the head could be read");
        return;
    }
    if (!levels.empty() && key == DCM_ItemDelimitationItem) {
        levels.pop_back();
        begin_skip(length);
        return;
    }
    has_any = true;
    if (length == DCM_UndefinedLength) {
        // PS3.5 6.2.2, note 4: UN of undefined length is a sequence in Implicit VR Little Endian.
        bool is_unknown = tag.getEVR() == EVR_UN || tag.getEVR() == EVR_UNKNOWN;
        E_TransferSyntax outer = levels.empty() ? syntax : levels.back().syntax;
        descend(true, is_unknown ? EXS_LittleEndianImplicit : outer);
        return;
    }
    const DcmTagKey *wanted = levels.empty() ? std::find(WANTED, WANTED + HEAD_TAGS, key) : WANTED + HEAD_TAGS;
    if (wanted != WANTED + HEAD_TAGS && tag.getEVR() != EVR_SQ)
        begin_value(static_cast<head_tag_t>(wanted - WANTED), tag, length);
    else
        begin_skip(length);
}

// An item or the end of a sequence. Fragments of encapsulated data look like items of defined length.
void head::begin_in_sequence(const DcmTag &tag, Uint32 length) {
    if (tag.getXTag() == DCM_SequenceDelimitationItem) {
        levels.pop_back();
        begin_skip(length);
    } else if (tag.getXTag() != DCM_Item) {
        fail("malformed sequence");
    } else if (length == DCM_UndefinedLength) {
        descend(false, levels.back().syntax);
    } else {
        begin_skip(length);
    }
}

void head::descend(bool is_sequence, E_TransferSyntax inner) {
    if (levels.size() == HEAD_DEPTH_MAX)
        fail("sequences are nested too deeply");
    else
        levels.push_back({is_sequence, inner});
}

void head::begin_skip(Uint32 length) {
    skip_left = length;
    step = Step::SKIP;
}

void head::skip() {
    const Uint32 wanted = std::min(skip_left, SKIP_BYTES);
    const auto skipped = static_cast<Uint32>(stream.skip(wanted));
    skip_left -= skipped;
    if (skipped < wanted)
        is_suspended = true;
    else if (skip_left == 0)
        step = Step::HEADER;
}

void head::begin_value(head_tag_t wanted, DcmTag &tag, Uint32 length) {
    if (values[wanted]) { // a second element of the same tag: the first one counts
        begin_skip(length);
        return;
    }
    if (length > HEAD_MAX_BYTES) { // DCMTK would take that much memory at once
        fail("head of the data set is too long");
        return;
    }
    DcmElement *made = nullptr;
    DcmPrivateTagCache no_creators;
    OFBool is_implicit = OFFalse;
    OFCondition condition = newDicomElement(made, tag, length, &no_creators, is_implicit);
    element.reset(made);
    if (condition.bad() || !made) {
        fail("malformed element");
        return;
    }
    element->transferInit();
    value_tag = wanted;
    step = Step::VALUE;
}

void head::read_value() {
    OFCondition condition = element->read(stream, syntax, EGL_noChange, DCM_MaxReadLength);
    if (condition == EC_StreamNotifyClient)
        is_suspended = true;
    else if (condition.bad())
        fail("malformed element");
    else
        keep_value();
}

void head::keep_value() {
    OFString number;
    std::string text;
    switch (element->ident()) {
    case EVR_US:
    case EVR_SS:
    case EVR_UL:
    case EVR_SL:
    case EVR_UV:
    case EVR_SV:
    case EVR_FL:
    case EVR_FD:
    case EVR_AT:
        if (element->getOFString(number, 0).good())
            text.assign(number.data(), number.size());
        break;
    default:
        text.resize(std::min<Uint32>(element->getLengthField(), HEAD_VALUE_MAX_BYTES));
        DcmFileCache *no_file = nullptr;
        if (!text.empty() &&
            element->getPartialValue(text.data(), 0, static_cast<Uint32>(text.size()), no_file).bad())
            text.clear();
    }
    values[value_tag] = std::move(text);
    element.reset();
    step = Step::HEADER;
    if (value_tag == HEAD_INSTANCE_NUMBER)
        state = HEAD_READY;
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

const char *head_value(const head_t *self, head_tag_t tag, size_t *size) {
    const std::optional<std::string> &value = self->values[tag];
    *size = value ? value->size() : 0;
    return value ? value->c_str() : nullptr;
}

uint32_t head_tag_number(head_tag_t tag) {
    return static_cast<uint32_t>(WANTED[tag].getGroup()) << 16 | WANTED[tag].getElement();
}

const char *head_dcmtk_version(void) {
    return OFFIS_DCMTK_VERSION_STRING;
}
