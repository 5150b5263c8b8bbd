/* Settings as a stage reads them, from variables of a test. */
#ifndef COMMON_SETTINGS_RIG_H
#define COMMON_SETTINGS_RIG_H

/* Sets the required variables and these, value after name, NULL-terminated or NULL, and no others. */
void settings_rig_set(const char *const *assignments);

/* Reads for the stage (FOR_LAUNCHER checks everything) and returns the complaint; free it. */
char *settings_rig_read(unsigned stage, int *status);

#endif
