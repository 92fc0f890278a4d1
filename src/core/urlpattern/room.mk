libmrccore_la_SOURCES += \
	%D%/canon.c %D%/canon.h \
	%D%/class.c %D%/class.h \
	%D%/component.c %D%/component.h \
	%D%/constructor.c %D%/constructor.h \
	%D%/init.c %D%/init.h \
	%D%/part.c %D%/part.h \
	%D%/program.c %D%/program.h \
	%D%/property.c %D%/property.h \
	%D%/regexp.c %D%/regexp.h \
	%D%/set.h \
	%D%/tokenize.c %D%/tokenize.h \
	%D%/translate.c %D%/translate.h \
	%D%/types.h \
	%D%/urlpattern.c %D%/urlpattern.h

unit_tests += tests/unit/core/urlpattern/test_urlpattern

EXTRA_DIST += %D%/README.md tests/unit/urlpattern_explain.h
