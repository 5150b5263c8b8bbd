/* The name of this host, where files and messages tell hosts (pods, of a cluster) apart. */
#ifndef COMMON_HOST_H
#define COMMON_HOST_H

#include <limits.h>

/* Reads gethostname(2) into `name`; "localhost" where there is none, or none that could be a file's name. */
void host_read_name(char name[HOST_NAME_MAX + 1]);

#endif
