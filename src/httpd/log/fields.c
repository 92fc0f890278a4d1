#include "httpd/log/fields.h"

#include <stdbool.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "httpd/log/variables.h"

static void add(apr_array_header_t *names, const char *name)
{
    for (int i = 0; i < names->nelts; i++) {
        if (!ap_cstr_casecmp(APR_ARRAY_IDX(names, i, const char *), name))
            return;
    }
    APR_ARRAY_PUSH(names, const char *) = name;
}

/*
 * The array for the LETTER of an item `%{NAME}LETTER`. NULL: the item needs nothing kept by name.
 */
static apr_array_header_t *names_of(struct mrc_log_fields *fields, char letter)
{
    switch (letter) {
    case 'i':
        return fields->request;
    case 'o':
        return fields->response;
    case 'n':
        return fields->notes;
    case 'e':
        return fields->env;
    case 'x':
        return fields->tls;
    default:
        return NULL;
    }
}

/* Reads one item, AT the byte after its percent sign. Returns the byte after the item. */
static const char *read_item(apr_pool_t *pool, struct mrc_log_fields *fields, const char *at)
{
    const char *name = NULL;
    apr_array_header_t *names;

    /* Conditions and modifiers (`!200,304`, `<`, `>`) come in any order with the name. */
    for (; *at &&
           (*at == '{' || *at == '<' || *at == '>' || *at == '!' || *at == ',' || apr_isdigit(*at));
         at++) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;

        if (end) {
            name = apr_pstrmemdup(pool, at + 1, (apr_size_t)(end - at - 1));
            at = end;
        }
    }
    if (!*at)
        return at;
    names = names_of(fields, *at);
    if (name && *at == 'C')
        add(fields->request, "Cookie");
    else if (name && *at == 'c' && mrc_log_variables_of_short(name))
        add(fields->tls, mrc_log_variables_of_short(name));
    else if (name && names)
        add(names, name);
    return at + 1;
}

static void read_format(apr_pool_t *pool, struct mrc_log_fields *fields, const char *format)
{
    for (const char *at = strchr(format, '%'); at; at = strchr(at, '%'))
        at = read_item(pool, fields, at + 1);
}

static bool is_of_name(char c)
{
    return apr_isalnum(c) || c == '_';
}

/* Notes the variables of mod_ssl that CONDITION, an expression, has. */
static void read_condition(apr_pool_t *pool, struct mrc_log_fields *fields, const char *condition)
{
    const char *at = condition;

    while (*at) {
        const char *name = at;

        while (is_of_name(*at))
            at++;
        if (!strncmp(name, "SSL_", 4) || (at - name == 5 && !strncmp(name, "HTTPS", 5)))
            add(fields->tls, apr_pstrmemdup(pool, name, (apr_size_t)(at - name)));
        if (*at && at == name)
            at++;
    }
}

/* Reads the arguments of LogFormat, CustomLog or GlobalLog: a format or a condition. */
static void read_arguments(apr_pool_t *pool, struct mrc_log_fields *fields, const char *args)
{
    while (*args) {
        const char *word = ap_getword_conf(pool, &args);

        if (!ap_cstr_casecmpn(word, "expr=", 5)) {
            fields->all = 1;
            read_condition(pool, fields, word + 5);
        } else if (!ap_cstr_casecmpn(word, "env=", 4)) {
            add(fields->env, word + (word[4] == '!' ? 5 : 4));
        } else {
            read_format(pool, fields, word);
        }
    }
}

/* Reads CONF, its siblings and what they contain. */
static void find(apr_pool_t *pool, struct mrc_log_fields *fields, const ap_directive_t *conf)
{
    for (; conf; conf = conf->next) {
        if (conf->args && (!ap_cstr_casecmp(conf->directive, "LogFormat") ||
                           !ap_cstr_casecmp(conf->directive, "CustomLog") ||
                           !ap_cstr_casecmp(conf->directive, "GlobalLog")))
            read_arguments(pool, fields, conf->args);
        if (conf->args && !ap_cstr_casecmp(conf->directive, "BufferedLogs"))
            fields->is_buffered = !ap_cstr_casecmp(conf->args, "On");
        find(pool, fields, conf->first_child);
    }
}

struct mrc_log_fields *mrc_log_fields_find(apr_pool_t *pool, const ap_directive_t *conf)
{
    struct mrc_log_fields *fields = apr_pcalloc(pool, sizeof(*fields));

    fields->request = apr_array_make(pool, 4, sizeof(const char *));
    fields->response = apr_array_make(pool, 4, sizeof(const char *));
    fields->notes = apr_array_make(pool, 4, sizeof(const char *));
    fields->env = apr_array_make(pool, 4, sizeof(const char *));
    fields->tls = apr_array_make(pool, 4, sizeof(const char *));
    find(pool, fields, conf);
    return fields;
}
