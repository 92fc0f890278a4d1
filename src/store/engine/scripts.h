/*
 * The Lua scripts that the engine runs, as text. The build makes the definitions from scripts/.
 */
#ifndef MRC_STORE_ENGINE_SCRIPTS_H
#define MRC_STORE_ENGINE_SCRIPTS_H

extern const char mrc_scripts_publish[];
extern const char mrc_scripts_join[];
extern const char mrc_scripts_beat[];
extern const char mrc_scripts_reap[];
extern const char mrc_scripts_enter[];

#endif
