#include "httpd/access/browser.h"

#include "unit.h"

#define WEBKIT  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) "
#define BLINK   "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
#define IOS                                                                                        \
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "    \
    "Gecko) "

static const struct {
    const char *user_agent;
    bool drops_ids;
} browsers[] = {
    {NULL, false},
    {"", false},
    {"curl/7.88.1", false},
    {"node", false},
    {BLINK "Chrome/138.0.0.0 Safari/537.36", false},
    {BLINK "HeadlessChrome/138.0.0.0 Safari/537.36", false},
    {BLINK "Chromium/138.0.0.0 Safari/537.36", false},
    {BLINK "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", false},
    {BLINK "Chrome/138.0.0.0 Safari/537.36 OPR/122.0.0.0", false},
    {FIREFOX, true},
    {WEBKIT "Version/18.5 Safari/605.1.15", true},
    {WEBKIT "Version/26.0 Safari/605.1.15 MiniBrowser/2.50.6", true},
    {IOS "Version/18.5 Mobile/15E148 Safari/604.1", true},
    {IOS "CriOS/138.0.7204.33 Mobile/15E148 Safari/604.1", true},
    {IOS "FxiOS/140.0 Mobile/15E148 Safari/605.1.15", true},
};

START_TEST(some_browsers_drop_ids)
{
    ck_assert_msg(mrc_browser_drops_ids(browsers[_i].user_agent) == browsers[_i].drops_ids, "%s",
                  browsers[_i].user_agent);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("browser");
    TCase *tc = tcase_create("browser");

    tcase_add_loop_test(tc, some_browsers_drop_ids, 0, sizeof(browsers) / sizeof(*browsers));
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
