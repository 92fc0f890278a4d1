libmrchub_la_SOURCES += \
	%D%/clock.h \
	%D%/end.c %D%/end.h \
	%D%/entropy.c %D%/entropy.h \
	%D%/event.c %D%/event.h \
	%D%/prefetch.h \
	%D%/status.c %D%/status.h \
	%D%/thread.c %D%/thread.h \
	%D%/wheel.c %D%/wheel.h

unit_tests += \
	tests/unit/hub/base/test_entropy \
	tests/unit/hub/base/test_event \
	tests/unit/hub/base/test_wheel

EXTRA_DIST += %D%/README.md
