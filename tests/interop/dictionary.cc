// DCMTK's own table of storage SOP classes, for C.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <cstddef>

extern "C" const char *const *dcmtk_storage_classes(std::size_t *count) {
    *count = static_cast<std::size_t>(numberOfDcmAllStorageSOPClassUIDs);
    return dcmAllStorageSOPClassUIDs;
}
