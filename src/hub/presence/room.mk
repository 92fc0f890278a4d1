libmrchub_la_SOURCES += \
	%D%/announcer.c %D%/announcer.h \
	%D%/events.c %D%/events.h \
	%D%/presence.c %D%/presence.h \
	%D%/queue.c %D%/queue.h

unit_tests += tests/unit/hub/presence/test_presence

EXTRA_DIST += %D%/README.md
