/*
 * Prints docs/directives.md from the table of directives. With --list it prints one line for each
 * directive and each option, fields separated by tabs, for the tests. It needs only the table.
 */
#include <stdio.h>
#include <string.h>

#include "httpd/config/directive_table.h"

static const char *context_of(const struct mrc_directive *row)
{
    switch (row->scope) {
    case MRC_SCOPE_LOCATION:
        return "server config, virtual host, `<Location>`, `<LocationMatch>`, `<If>` within these";
    case MRC_SCOPE_HUB:
        return "server config, virtual host, `<Location>` with a literal path";
    case MRC_SCOPE_SECTION:
        return "`<Location>` with a literal path; `Off` also in a virtual host";
    case MRC_SCOPE_SERVER:
        return "server config";
    case MRC_SCOPE_RESPONSE:
        return "server config, virtual host, all sections, .htaccess (`AllowOverride FileInfo`)";
    case MRC_SCOPE_HOST:
        return "server config, virtual host";
    }
    return "";
}

/* Prints more of the context of a directive that a site may have in its .htaccess file. */
static void print_htaccess(const struct mrc_directive *row)
{
    if (row->in_htaccess)
        printf(", .htaccess with [MercureHtaccess](#mercurehtaccess) (AllowOverride AuthConfig)");
}

static const char *scope_name(enum mrc_scope scope)
{
    static const char *const names[] = {
        [MRC_SCOPE_LOCATION] = "location", [MRC_SCOPE_HUB] = "hub",
        [MRC_SCOPE_SECTION] = "section",   [MRC_SCOPE_SERVER] = "server",
        [MRC_SCOPE_RESPONSE] = "response", [MRC_SCOPE_HOST] = "host",
    };

    return names[scope];
}

/* Prints the anchor of a directive on the page: its name in lower case. */
static void print_anchor(const char *name)
{
    for (; *name; name++)
        putchar(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
}

static void print_default(const struct mrc_directive *row)
{
    if (!row->default_text)
        printf("- **Default**: none\n");
    else if (row->type == MRC_TYPE_URLS || row->type == MRC_TYPE_ORIGINS)
        printf("- **Default**: %s\n", row->default_text);
    else
        printf("- **Default**: `%s %s`\n", row->name, row->default_text);
}

static void print_options(const struct mrc_directive *row)
{
    if (row->options_count > 0)
        printf("\n| option | default | limits |\n|---|---|---|\n");
    for (size_t i = 0; i < row->options_count; i++)
        printf("| `%s=` | `%s` | %s |\n", row->options[i].name, row->options[i].default_text,
               row->options[i].text);
}

static void print_directive(const struct mrc_directive *row)
{
    printf("\n## %s\n\n", row->name);
    printf("- **Description**: %s\n", row->summary);
    printf("- **Syntax**: `%s %s`\n", row->name, row->syntax);
    print_default(row);
    printf("- **Context**: %s", context_of(row));
    print_htaccess(row);
    printf("\n");
    printf("- **Status**: External\n- **Module**: mod_mercure\n\n%s\n", row->text);
    print_options(row);
}

static void print_page(void)
{
    printf(
        "# The directives of mod_mercure\n\n"
        "<!-- Generated from the table of directives by `make docs`. -->\n\n"
        "Only MercureHub is required. To be of use, a hub also needs a key for publishers "
        "(MercurePublisherKey or\nMercureKey), and a key for subscribers (MercureSubscriberKey or "
        "MercureKey) or MercureAnonymous. All\nother directives are optional. Start with "
        "[getting-started.md](getting-started.md).\n\n"
        "A SIZE is a number of bytes; K, M or G may follow the number. A directive in an inner "
        "section\nreplaces the same directive of the outer section: lists are replaced as a "
        "whole, options\n(`name=value`) one by one. Several lines of one directive in a section "
        "add up if it takes keys,\na list or options; otherwise the last of them counts. A line "
        "has at most 63 arguments.\n\n");
    for (size_t i = 0; i < mrc_directives_count; i++) {
        printf("- [%s](#", mrc_directives[i].name);
        print_anchor(mrc_directives[i].name);
        printf("): %s\n", mrc_directives[i].summary);
    }
    for (size_t i = 0; i < mrc_directives_count; i++)
        print_directive(&mrc_directives[i]);
}

static void print_list(void)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        printf("%s\t%s\t%s\n", row->name, scope_name(row->scope),
               row->default_text ? row->default_text : "");
        for (size_t k = 0; k < row->options_count; k++)
            printf("%s %s=\t%s\t%s\n", row->name, row->options[k].name, scope_name(row->scope),
                   row->options[k].default_text);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--list"))
        print_list();
    else
        print_page();
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
