libmrcstore_la_SOURCES += \
	%D%/check.c \
	%D%/codec.c %D%/codec.h \
	%D%/index.c %D%/index.h %D%/internal.h \
	%D%/layout.h \
	%D%/lock.c %D%/lock.h \
	%D%/make.c \
	%D%/read.c \
	%D%/reclaim.c %D%/reclaim.h \
	%D%/ring.h \
	%D%/window.c %D%/window.h \
	%D%/write.c

unit_tests += \
	tests/unit/store/ring/stress \
	tests/unit/store/ring/test_crash \
	tests/unit/store/ring/test_reclaim \
	tests/unit/store/ring/test_ring \
	tests/unit/store/ring/test_ringdump
EXTRA_tests_unit_store_ring_test_ringdump_DEPENDENCIES = ringdump

EXTRA_DIST += %D%/README.md
