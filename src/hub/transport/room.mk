libmrchub_la_SOURCES += \
	%D%/lineage.c %D%/lineage.h \
	%D%/report.h \
	%D%/seen.c %D%/seen.h \
	%D%/transport.h

LINK_SOURCES = \
	%D%/link.c %D%/link.h \
	%D%/member.c %D%/member.h \
	%D%/outbox.c %D%/outbox.h \
	%D%/transport.c
NO_LINK_SOURCES = %D%/none.c
if HAVE_HIREDIS
libmrchub_la_SOURCES += $(LINK_SOURCES)
else
libmrchub_la_SOURCES += $(NO_LINK_SOURCES)
endif
EXTRA_libmrchub_la_SOURCES += $(LINK_SOURCES) $(NO_LINK_SOURCES)

unit_tests += \
	tests/unit/hub/transport/test_lineage \
	tests/unit/hub/transport/test_seen

EXTRA_DIST += %D%/README.md
