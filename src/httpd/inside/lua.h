/*
 * r:mercure_publish{…} for the scripts of mod_lua.
 *
 * mod_lua is linked with one of several versions of Lua, which this module neither links nor
 * compiles against: it takes the functions of Lua from mod_lua, when the server starts.
 */
#ifndef MRC_HTTPD_INSIDE_LUA_H
#define MRC_HTTPD_INSIDE_LUA_H

#include "httpd.h"

/*
 * Registers the hook that mod_lua runs before a script serves a request. When the module is loaded.
 */
void mrc_lua_register(void);

/* The post_config hook: finds mod_lua and its Lua. Logs if scripts cannot have the function. */
int mrc_lua_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

#endif
