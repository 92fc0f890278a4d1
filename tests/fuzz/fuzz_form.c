/* The input is the body of a form. */
#include "core/protocol/form.h"
#include "fuzz.h"

const char *const fuzz_vectors[] = {"wpt-url/urlencoded-parser-data.json", NULL};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const char *input = json_string_value(json_object_get(entry, "input"));

    mrc_buf_add_str(out, input ? input : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes body = {(const char *)data, size};
    struct mrc_form *form = NULL;
    size_t decoded = 0;

    if (mrc_form_parse(body, 100, NULL, &form) != MRC_OK) {
        FUZZ_CHECK(!form);
        return 0;
    }
    FUZZ_CHECK(mrc_form_count(form) <= 100);
    for (size_t i = 0; i < mrc_form_count(form); i++) {
        struct mrc_form_pair pair = mrc_form_get(form, i);

        FUZZ_CHECK(pair.name.ptr && pair.value.ptr);
        decoded += pair.name.len + pair.value.len;
    }
    FUZZ_CHECK(decoded <= size);
    mrc_form_free(form);
    return 0;
}
