libmrccore_la_SOURCES += \
	%D%/alg.c %D%/alg.h \
	%D%/jwk.c %D%/jwk.h \
	%D%/jws.c %D%/jws.h \
	%D%/key.c %D%/key.h \
	%D%/keyset.c %D%/keyset.h \
	%D%/sign.c %D%/sign.h

unit_tests += \
	tests/unit/core/jose/test_jws \
	tests/unit/core/jose/test_keyset

EXTRA_DIST += %D%/README.md
