/*
 * The files of servers in the runtime directory: their names, and the removal of what dead servers
 * left. The directory may hold anything else, and may be writable by others: only regular files of
 * our own with exactly these names are ever touched.
 */
#ifndef MRC_STORE_SHM_RUNTIME_DIR_H
#define MRC_STORE_SHM_RUNTIME_DIR_H

#define MRC_RUNTIME_DIR_KEY_BYTES  24 /* hexadecimal digits */
#define MRC_RUNTIME_DIR_NAME_BYTES 64 /* of any name, with its terminator */

/* mercure-KEY.control and mercure-KEY.hub-NUMBER. */
void mrc_runtime_dir_control_name(const char *key, char ret_name[MRC_RUNTIME_DIR_NAME_BYTES]);
void mrc_runtime_dir_hub_name(const char *key, unsigned number,
                              char ret_name[MRC_RUNTIME_DIR_NAME_BYTES]);

/*
 * Removes the files of every server of which no process lives: whose control file can be locked
 * (flock), or does not exist. What cannot be removed stays, and says nothing: it costs room only.
 * A server that is just being made may lose its control file to this, in the moment before it has
 * locked it; it notices and tries another key.
 */
void mrc_runtime_dir_sweep(const char *dir);

#endif
