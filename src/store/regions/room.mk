libmrcstore_la_SOURCES += \
	%D%/buckets.c %D%/buckets.h \
	%D%/buckets_layout.h \
	%D%/busiest.c %D%/busiest.h \
	%D%/busiest_layout.h \
	%D%/census.c %D%/census.h \
	%D%/census_layout.h \
	%D%/counters.c %D%/counters.h \
	%D%/counters_layout.h \
	%D%/interests.c %D%/interests.h \
	%D%/interests_layout.h \
	%D%/link.c %D%/link.h \
	%D%/link_layout.h \
	%D%/revocations.c %D%/revocations.h \
	%D%/revocations_layout.h \
	%D%/roster.c %D%/roster.h \
	%D%/roster_layout.h \
	%D%/samples.c %D%/samples.h \
	%D%/samples_layout.h \
	%D%/staging.c %D%/staging.h \
	%D%/staging_layout.h

unit_tests += \
	tests/unit/store/regions/test_buckets \
	tests/unit/store/regions/test_busiest \
	tests/unit/store/regions/test_census \
	tests/unit/store/regions/test_counters \
	tests/unit/store/regions/test_link \
	tests/unit/store/regions/test_revocations \
	tests/unit/store/regions/test_roster \
	tests/unit/store/regions/test_samples \
	tests/unit/store/regions/test_staging
tests_unit_store_regions_test_busiest_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_lock_acquire
tests_unit_store_regions_test_samples_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_lock_acquire

EXTRA_DIST += %D%/README.md
