#include "hub/base/status.h"

#include "store/base/status.h"
#include "unit.h"

START_TEST(each_error_has_a_status_of_its_own)
{
    static const enum mrc_err errors[] = {MRC_OK,     MRC_ENOMEM,    MRC_EINVAL,
                                          MRC_ELIMIT, MRC_ENOTFOUND, MRC_EUNSUPPORTED,
                                          MRC_EFULL,  MRC_EPENDING};
    const size_t count = sizeof(errors) / sizeof(errors[0]);

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_int_ne(mrc_status_of(errors[i]), mrc_status_of(errors[j]));
    ck_assert_int_eq(mrc_status_of(MRC_OK), APR_SUCCESS);
    ck_assert_int_eq(mrc_status_of(MRC_ENOMEM), APR_ENOMEM);
    ck_assert_int_eq(mrc_status_of(MRC_ELIMIT), MRC_STATUS_TOO_LARGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tcase = tcase_create("status");

    tcase_add_test(tcase, each_error_has_a_status_of_its_own);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
