#include "httpd/inside/lua.h"

#include <stdatomic.h>
#include <string.h>

#include "apr_dso.h"
#include "apr_lib.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/inside/api.h"

APLOG_USE_MODULE(mercure);

typedef struct lua_State lua_State;
typedef int lua_function(lua_State *L);

/* As mod_lua.h declares its hook. */
typedef int ap_lua_HOOK_lua_request_t(lua_State *L, request_rec *r);

/* The types of values that are read here, the same in Lua 5.1 to 5.4. */
enum { LUA_NIL = 0, LUA_BOOLEAN = 1, LUA_NUMBER = 3, LUA_STRING = 4, LUA_TABLE = 5 };

/* The functions of Lua 5.1 to 5.4 whose arguments are the same in each. Some return a value in some
 * versions only, which nobody reads here. Written before there are children; settop last. */
static struct {
    int (*newmetatable)(lua_State *L, const char *name);
    void *(*checkudata)(lua_State *L, int at, const char *name);
    void (*getfield)(lua_State *L, int at, const char *name);
    void (*setfield)(lua_State *L, int at, const char *name);
    void (*rawget)(lua_State *L, int at);
    int (*next)(lua_State *L, int at);
    int (*type)(lua_State *L, int at);
    int (*toboolean)(lua_State *L, int at);
    const char *(*tolstring)(lua_State *L, int at, size_t *ret_len);
    lua_function *(*tocfunction)(lua_State *L, int at);
    void (*pushnil)(lua_State *L);
    void (*pushnumber)(lua_State *L, double number);
    void (*pushstring)(lua_State *L, const char *text);
    void (*pushcclosure)(lua_State *L, lua_function *function, int upvalues);
    void (*settop)(lua_State *L, int top);
} lua;

static const struct {
    const char *name;
    void *function; /* a member of lua */
} functions[] = {
    {"luaL_newmetatable", &lua.newmetatable},
    {"luaL_checkudata", &lua.checkudata},
    {"lua_getfield", &lua.getfield},
    {"lua_setfield", &lua.setfield},
    {"lua_rawget", &lua.rawget},
    {"lua_next", &lua.next},
    {"lua_type", &lua.type},
    {"lua_toboolean", &lua.toboolean},
    {"lua_tolstring", &lua.tolstring},
    {"lua_tocfunction", &lua.tocfunction},
    {"lua_pushnil", &lua.pushnil},
    {"lua_pushnumber", &lua.pushnumber},
    {"lua_pushstring", &lua.pushstring},
    {"lua_pushcclosure", &lua.pushcclosure},
    {"lua_settop", &lua.settop},
};

/* mod_lua's function that reads r.NAME. */
static _Atomic(lua_function *) mod_lua_index;

/* ---- the table of a script --------------------------------------------------------------------*/

/* The arguments of r:mercure_publish: the request, and the table. A loop over the table has its key
 * and value after them. */
enum { AT_REQUEST = 1, AT_TABLE, AT_KEY, AT_VALUE, AT_ITEM };

/* Why a value is not one of NAME, or NULL: RET_TEXT is a copy in POOL, with an added NUL. */
static const char *read_text(lua_State *L, int at, const char *name, apr_pool_t *pool,
                             const char **ret_text, apr_size_t *ret_len)
{
    const int type = lua.type(L, at);
    const char *text;
    size_t len;

    if (type != LUA_STRING && type != LUA_NUMBER)
        return apr_psprintf(pool, "\"%s\" must be a string", name);
    text = lua.tolstring(L, at, &len);
    *ret_text = apr_pstrmemdup(pool, text, len);
    if (ret_len)
        *ret_len = len;
    else if (strlen(*ret_text) != len)
        return apr_psprintf(pool, "\"%s\" holds a NUL byte", name);
    return NULL;
}

static const char *read_topics(lua_State *L, apr_pool_t *pool, mercure_update *update)
{
    apr_array_header_t *topics = apr_array_make(pool, 2, sizeof(char *));
    const char *why = NULL;

    if (lua.type(L, AT_VALUE) != LUA_TABLE) {
        why = read_text(L, AT_VALUE, "topic", pool, apr_array_push(topics), NULL);
    } else {
        for (double i = 1; !why; i++) {
            lua.pushnumber(L, i);
            lua.rawget(L, AT_VALUE);
            if (lua.type(L, AT_ITEM) == LUA_NIL)
                break;
            why = read_text(L, AT_ITEM, "topic", pool, apr_array_push(topics), NULL);
            lua.settop(L, AT_VALUE);
        }
    }
    APR_ARRAY_PUSH(topics, const char *) = NULL;
    update->topics = (const char *const *)topics->elts;
    return why;
}

static const char *read_retry(lua_State *L, apr_pool_t *pool, mercure_update *update)
{
    const char *text;
    char *end;

    if (read_text(L, AT_VALUE, "retry", pool, &text, NULL) || !apr_isdigit(*text))
        return "\"retry\" must be a number of milliseconds";
    update->retry_ms = apr_strtoi64(text, &end, 10);
    return *end && strcmp(end, ".0") != 0 ? "\"retry\" must be a whole number" : NULL;
}

static const char *read_private(lua_State *L, mercure_update *update)
{
    update->is_private = lua.toboolean(L, AT_VALUE);
    return lua.type(L, AT_VALUE) == LUA_BOOLEAN ? NULL : "\"private\" must be a boolean";
}

static const char *read_member(lua_State *L, apr_pool_t *pool, mercure_update *update,
                               const char **ret_path)
{
    /* lua_tolstring() would change a number, and lua_next() could not continue from it. */
    const char *name = lua.type(L, AT_KEY) == LUA_STRING ? lua.tolstring(L, AT_KEY, NULL) : "";

    if (strcmp(name, "topic") == 0)
        return read_topics(L, pool, update);
    if (strcmp(name, "data") == 0)
        return read_text(L, AT_VALUE, name, pool, &update->data, &update->data_len);
    if (strcmp(name, "id") == 0)
        return read_text(L, AT_VALUE, name, pool, &update->id, NULL);
    if (strcmp(name, "type") == 0)
        return read_text(L, AT_VALUE, name, pool, &update->type, NULL);
    if (strcmp(name, "hub") == 0)
        return read_text(L, AT_VALUE, name, pool, ret_path, NULL);
    if (strcmp(name, "private") == 0)
        return read_private(L, update);
    if (strcmp(name, "retry") == 0)
        return read_retry(L, pool, update);
    return apr_psprintf(pool,
                        "the table has the key \"%s\": it may have topic, data, private, id, "
                        "type, retry and hub",
                        name);
}

static const char *read_table(lua_State *L, apr_pool_t *pool, mercure_update *update,
                              const char **ret_path)
{
    const char *why = NULL;

    if (lua.type(L, AT_TABLE) != LUA_TABLE)
        return "the argument must be a table: r:mercure_publish{topic = ..., data = ...}";
    lua.settop(L, AT_TABLE);
    lua.pushnil(L);
    while (!why && lua.next(L, AT_TABLE)) {
        why = read_member(L, pool, update, ret_path);
        lua.settop(L, AT_KEY);
    }
    return why;
}

/* ---- what mod_lua calls -----------------------------------------------------------------------*/

#define REQUEST "Apache2.Request" /* the metatable of requests */

/* r:mercure_publish{…}: the id of the update; or nil, and why it is not published. */
static int mercure_publish(lua_State *L)
{
    request_rec *r = *(request_rec **)lua.checkudata(L, AT_REQUEST, REQUEST);
    mercure_update update = {.size = sizeof(update), .retry_ms = -1};
    const char *path = NULL;
    const char *id = NULL;
    const char *why = read_table(L, r->pool, &update, &path);

    if (!why && mrc_api_publish(r, path, &update, &id, &why) == APR_SUCCESS) {
        lua.pushstring(L, id);
        return 1;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "MRC0807: an update of a Lua script is not published: %s", why);
    lua.pushnil(L);
    lua.pushstring(L, why);
    return 2;
}

/* r.NAME and r:NAME(). */
static int request_index(lua_State *L)
{
    const char *name = lua.type(L, 2) == LUA_STRING ? lua.tolstring(L, 2, NULL) : "";

    if (strcmp(name, "mercure_publish") != 0)
        return atomic_load(&mod_lua_index)(L);
    lua.pushcclosure(L, mercure_publish, 0);
    return 1;
}

/* A script in L, which may have served other requests before, is about to serve R. */
static int lua_request(lua_State *L, request_rec *r)
{
    lua_function *index;

    (void)r;
    if (!lua.settop)
        return DECLINED;
    lua.newmetatable(L, REQUEST); /* pushes the existing one */
    lua.getfield(L, -1, "__index");
    index = lua.tocfunction(L, -1);
    if (index && index != request_index) {
        atomic_store(&mod_lua_index, index);
        lua.pushcclosure(L, request_index, 0);
        lua.setfield(L, -3, "__index");
    }
    lua.settop(L, -3);
    return OK;
}

/* ---- the start --------------------------------------------------------------------------------*/

void mrc_lua_register(void)
{
    APR_OPTIONAL_HOOK(ap_lua, lua_request, lua_request, NULL, NULL, APR_HOOK_MIDDLE);
}

/* What is missing in HANDLE, or NULL. */
static const char *find_functions(apr_dso_handle_t *handle)
{
    apr_dso_handle_sym_t symbol;

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (apr_dso_sym(&symbol, handle, functions[i].name) != APR_SUCCESS)
            return functions[i].name;
        memcpy(functions[i].function, &symbol, sizeof(symbol));
    }
    return NULL;
}

int mrc_lua_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const module *mod_lua = ap_find_linked_module("mod_lua.c");
    const char *missing;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    if (!mod_lua)
        return OK;
    missing = mod_lua->dynamic_load_handle ? find_functions(mod_lua->dynamic_load_handle)
                                           : "a library of its own";
    if (missing)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "MRC0808: scripts of mod_lua have no r:mercure_publish: mod_lua lacks %s",
                     missing);
    return OK;
}
