libmrcstore_la_SOURCES += \
	%D%/clock.h \
	%D%/fetch.c %D%/fetch.h \
	%D%/file.c %D%/file.h \
	%D%/fork.c %D%/fork.h \
	%D%/futex.c %D%/futex.h \
	%D%/lock.c %D%/lock.h \
	%D%/opened.c %D%/opened.h \
	%D%/sparse.c %D%/sparse.h %D%/sparse_layout.h \
	%D%/record.h \
	%D%/status.c %D%/status.h

unit_tests += tests/unit/store/base/test_lock tests/unit/store/base/test_sparse
tests_unit_store_base_test_lock_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_mutex_timedlock \
	-Wl,--wrap=pthread_mutex_clocklock

EXTRA_DIST += %D%/README.md
