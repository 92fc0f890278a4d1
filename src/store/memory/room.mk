libmrcstore_la_SOURCES += \
	%D%/batch.c %D%/batch.h \
	%D%/hub.c %D%/hub.h \
	%D%/hub_file.c %D%/hub_file.h %D%/hub_file_layout.h \
	%D%/idle.c %D%/idle.h \
	%D%/internal.h \
	%D%/memory.c %D%/memory.h \
	%D%/naming.c %D%/naming.h \
	%D%/reconcile.c \
	%D%/sites.c %D%/sites.h

unit_tests += tests/unit/store/memory/test_memory \
	tests/unit/store/memory/test_hub_file \
	tests/unit/store/memory/test_no_memory
tests_unit_store_memory_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_lock_acquire
tests_unit_store_memory_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
