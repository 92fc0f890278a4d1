libmrccore_la_SOURCES += \
	%D%/anchor.c %D%/anchor.h \
	%D%/matcher.c %D%/matcher.h \
	%D%/reserved.c %D%/reserved.h \
	%D%/topic.c %D%/topic.h

unit_tests += \
	tests/unit/core/topic/test_anchor \
	tests/unit/core/topic/test_matcher \
	tests/unit/core/topic/test_reserved

EXTRA_DIST += %D%/README.md
