// Writes a synthetic MR series: a head made of ellipsoids, sliced from top to bottom.
//
//     phantom FOLDER [SLICES]
//
// The patient is made up. One file per slice, MR Image Storage (PS3.3 A.4), Explicit VR Little Endian.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

namespace {

constexpr int kSize = 256;

// Centre and half axes in units of half the image; brightness is added where the point lies inside.
struct Ellipsoid {
    double x, y, z, a, b, c, angle, brightness;
};

const Ellipsoid kHead[] = {
    {0, 0, 0, .72, .92, .88, 0, 900},          // scalp
    {0, 0, 0, .68, .88, .84, 0, -700},         // skull
    {0, -.01, 0, .63, .83, .80, 0, 500},       // brain
    {-.22, .05, .05, .12, .32, .22, .3, -380}, // ventricles
    {.22, .05, .05, .12, .32, .22, -.3, -380},
    {0, .38, -.05, .20, .22, .28, 0, 140},    // thalamus and its surroundings
    {0, -.55, -.40, .40, .22, .25, 0, 180},   // cerebellum
    {.30, .45, .25, .09, .09, .10, 0, 420},   // a lesion, so that there is something to find
    {-.28, .80, -.25, .14, .12, .12, 0, 700}, // eyes
    {.28, .80, -.25, .14, .12, .12, 0, 700},
};

bool inside(const Ellipsoid &e, double x, double y, double z) {
    double dx = x - e.x, dy = y - e.y, dz = z - e.z;
    double u = dx * std::cos(e.angle) + dy * std::sin(e.angle), v = dy * std::cos(e.angle) - dx * std::sin(e.angle);
    return u * u / (e.a * e.a) + v * v / (e.b * e.b) + dz * dz / (e.c * e.c) < 1;
}

// Folds of the cortex and the noise of a receiver coil, the same in every run.
double texture(double x, double y, double z, uint32_t &state) {
    state = state * 1664525u + 1013904223u;
    double noise = (state >> 16) / 65536.0 - .5;
    return 45 * std::sin(31 * x + 7 * std::sin(9 * z)) * std::sin(29 * y + 5 * std::cos(11 * x)) + 40 * noise;
}

std::vector<Uint16> slice(int number, int slices) {
    std::vector<Uint16> pixels(size_t{kSize} * kSize);
    double z = .95 - 1.9 * number / std::max(1, slices - 1);
    uint32_t state = static_cast<uint32_t>(number) + 1;
    for (int row = 0; row < kSize; row++)
        for (int column = 0; column < kSize; column++) {
            double x = 2.0 * column / (kSize - 1) - 1, y = 1 - 2.0 * row / (kSize - 1), value = 0;
            for (const Ellipsoid &e : kHead)
                if (inside(e, x, y, z))
                    value += e.brightness;
            value += texture(x, y, z, state) * (value > 0 ? 1 : .3);
            pixels[static_cast<size_t>(row) * kSize + column] = static_cast<Uint16>(std::clamp(value, 0.0, 4095.0));
        }
    return pixels;
}

void put(DcmDataset &set, const DcmTagKey &tag, const std::string &value) {
    if (set.putAndInsertString(tag, value.c_str()).bad()) {
        std::fprintf(stderr, "phantom: can't set (%04x,%04x)\n", tag.getGroup(), tag.getElement());
        std::exit(1);
    }
}

void put_number(DcmDataset &set, const DcmTagKey &tag, Uint16 value) {
    if (set.putAndInsertUint16(tag, value).bad())
        std::exit(1);
}

// What all slices share.
void describe(DcmDataset &set) {
    put(set, DCM_SpecificCharacterSet, "ISO_IR 192");
    put(set, DCM_ImageType, "DERIVED\\SECONDARY");
    put(set, DCM_SOPClassUID, UID_MRImageStorage);
    put(set, DCM_StudyDate, "20260102");
    put(set, DCM_StudyTime, "101500");
    put(set, DCM_AccessionNumber, "DEMO0001");
    put(set, DCM_Modality, "MR");
    put(set, DCM_Manufacturer, "oxidicom demo");
    put(set, DCM_StudyDescription, "MR Head, demonstration");
    put(set, DCM_SeriesDescription, "Phantom AX T1");
    put(set, DCM_PatientName, "Phantom^Head");
    put(set, DCM_PatientID, "PHANTOM-1");
    put(set, DCM_PatientBirthDate, "19900401");
    put(set, DCM_PatientSex, "O");
    put(set, DCM_PatientAge, "035Y");
    put(set, DCM_ScanningSequence, "GR");
    put(set, DCM_SequenceVariant, "NONE");
    put(set, DCM_ScanOptions, "");
    put(set, DCM_MRAcquisitionType, "3D");
    put(set, DCM_SliceThickness, "1");
    put(set, DCM_EchoTime, "2.5");
    put(set, DCM_EchoTrainLength, "1");
    put(set, DCM_ProtocolName, "Phantom T1");
    put(set, DCM_StudyID, "1");
    put(set, DCM_SeriesNumber, "3");
    put(set, DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
    put(set, DCM_PixelSpacing, "0.9\\0.9");
    put(set, DCM_PhotometricInterpretation, "MONOCHROME2");
    put_number(set, DCM_SamplesPerPixel, 1);
    put_number(set, DCM_Rows, kSize);
    put_number(set, DCM_Columns, kSize);
    put_number(set, DCM_BitsAllocated, 16);
    put_number(set, DCM_BitsStored, 12);
    put_number(set, DCM_HighBit, 11);
    put_number(set, DCM_PixelRepresentation, 0);
}

std::string new_uid(const char *root) {
    char uid[100];
    return dcmGenerateUniqueIdentifier(uid, root);
}

} // namespace

int main(int argc, char **argv) {
    int slices = argc > 2 ? std::atoi(argv[2]) : 200;
    if (argc < 2 || slices < 1 || slices > 9999) {
        std::fputs("usage: phantom FOLDER [SLICES], SLICES from 1 to 9999\n", stderr);
        return 64;
    }
    std::string study = new_uid(SITE_STUDY_UID_ROOT), series = new_uid(SITE_SERIES_UID_ROOT),
                frame = new_uid(SITE_INSTANCE_UID_ROOT);
    for (int i = 0; i < slices; i++) {
        DcmFileFormat file;
        DcmDataset &set = *file.getDataset();
        describe(set);
        put(set, DCM_StudyInstanceUID, study);
        put(set, DCM_SeriesInstanceUID, series);
        put(set, DCM_FrameOfReferenceUID, frame);
        put(set, DCM_SOPInstanceUID, new_uid(SITE_INSTANCE_UID_ROOT));
        put(set, DCM_InstanceNumber, std::to_string(i + 1));
        put(set, DCM_ImagePositionPatient, "-115\\-115\\" + std::to_string(90 - i));
        std::vector<Uint16> pixels = slice(i, slices);
        char name[32];
        std::snprintf(name, sizeof name, "/%04d.dcm", i + 1);
        OFCondition done = set.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size());
        if (done.good())
            done = file.saveFile((std::string(argv[1]) + name).c_str(), EXS_LittleEndianExplicit);
        if (done.bad()) {
            std::fprintf(stderr, "phantom: can't write %s%s: %s\n", argv[1], name, done.text());
            return 1;
        }
    }
    return 0;
}
