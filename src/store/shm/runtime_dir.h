/*
 * The files of servers in the runtime directory: their names, and the removal of files of dead
 * servers. The directory may contain other files, and other users may be able to write to it. Only
 * regular files of the server's own user with exactly these names are touched.
 */
#ifndef MRC_STORE_SHM_RUNTIME_DIR_H
#define MRC_STORE_SHM_RUNTIME_DIR_H

#include <stdint.h>

#define MRC_RUNTIME_DIR_KEY_BYTES  24 /* hexadecimal digits */
#define MRC_RUNTIME_DIR_NAME_BYTES 64 /* the longest name, with its terminator */

/* mercure-KEY.control and mercure-KEY.hub-NUMBER. */
void mrc_runtime_dir_control_name(const char *key, char ret_name[MRC_RUNTIME_DIR_NAME_BYTES]);
void mrc_runtime_dir_hub_name(const char *key, unsigned number,
                              char ret_name[MRC_RUNTIME_DIR_NAME_BYTES]);

/*
 * Removes the files of every dead server: a server is dead if its control file can be locked with
 * flock(), or does not exist. A file that cannot be removed stays, without an error: it only takes
 * space. A server that is just starting may lose its control file in the moment before it has
 * locked it; it notices that and tries another key.
 */
void mrc_runtime_dir_sweep(const char *dir);

/*
 * The room in the file system of DIR for segments, including what segments take there now.
 * UINT64_MAX: unknown.
 */
uint64_t mrc_runtime_dir_room(const char *dir);

#endif
