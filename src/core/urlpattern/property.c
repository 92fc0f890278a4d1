#include "core/urlpattern/property.h"

/*
 * Names, and the set that each of them stands for. tests/diff compares all of them with V8.
 */
struct property {
    const char *names; /* separated by spaces */
    uint64_t bits[MRC_URLPATTERN_SET_WORDS];
};

/* clang-format off */
static const struct property categories[] = {
    {"Cn Unassigned Lt Titlecase_Letter Lm Modifier_Letter Lo Other_Letter Mn "
     "Nonspacing_Mark Me Enclosing_Mark Mc Spacing_Mark Nl Letter_Number No "
     "Other_Number Zl Line_Separator Zp Paragraph_Separator Cf Format Co Private_Use "
     "Cs Surrogate So Other_Symbol Pi Initial_Punctuation Pf Final_Punctuation M Mark "
     "Combining_Mark",
     {0x0, 0x0, 0}},
    {"Lu Uppercase_Letter",
     {0x0, 0x7fffffe, 2}},
    {"Ll Lowercase_Letter",
     {0x0, 0x7fffffe00000000, 1}},
    {"Nd Decimal_Number digit N Number",
     {0x3ff000000000000, 0x0, 0}},
    {"Zs Space_Separator Z Separator",
     {0x100000000, 0x0, 0}},
    {"Cc Control cntrl C Other",
     {0xffffffff, 0x8000000000000000, 0}},
    {"Pd Dash_Punctuation",
     {0x200000000000, 0x0, 0}},
    {"Ps Open_Punctuation",
     {0x10000000000, 0x800000008000000, 0}},
    {"Pe Close_Punctuation",
     {0x20000000000, 0x2000000020000000, 0}},
    {"Pc Connector_Punctuation",
     {0x0, 0x80000000, 0}},
    {"Po Other_Punctuation",
     {0x8c00d4ee00000000, 0x10000001, 0}},
    {"Sm Math_Symbol",
     {0x7000080000000000, 0x5000000000000000, 0}},
    {"Sc Currency_Symbol",
     {0x1000000000, 0x0, 0}},
    {"Sk Modifier_Symbol",
     {0x0, 0x140000000, 0}},
    {"L Letter LC Cased_Letter",
     {0x0, 0x7fffffe07fffffe, 3}},
    {"P Punctuation punct",
     {0x8c00f7ee00000000, 0x28000000b8000001, 0}},
    {"S Symbol",
     {0x7000081000000000, 0x5000000140000000, 0}},
};

static const struct property binaries[] = {
    {"Alpha Alphabetic IDS ID_Start XIDS XID_Start Cased CWCM Changes_When_Casemapped",
     {0x0, 0x7fffffe07fffffe, 3}},
    {"AHex ASCII_Hex_Digit Hex Hex_Digit",
     {0x3ff000000000000, 0x7e0000007e, 0}},
    {"Bidi_C Bidi_Control DI Default_Ignorable_Code_Point Dep Deprecated Ext Extender "
     "Gr_Ext Grapheme_Extend Ideo Ideographic IDSB IDS_Binary_Operator IDST "
     "IDS_Trinary_Operator Join_C Join_Control LOE Logical_Order_Exception NChar "
     "Noncharacter_Code_Point Radical UIdeo Unified_Ideograph VS Variation_Selector "
     "EPres Emoji_Presentation EMod Emoji_Modifier EBase Emoji_Modifier_Base RI "
     "Regional_Indicator ExtPict Extended_Pictographic",
     {0x0, 0x0, 0}},
    {"Bidi_M Bidi_Mirrored",
     {0x5000030000000000, 0x2800000028000000, 0}},
    {"Dash",
     {0x200000000000, 0x0, 0}},
    {"Dia Diacritic",
     {0x0, 0x140000000, 0}},
    {"Gr_Base Grapheme_Base",
     {0xffffffff00000000, 0x7fffffffffffffff, 3}},
    {"IDC ID_Continue XIDC XID_Continue",
     {0x3ff000000000000, 0x7fffffe87fffffe, 3}},
    {"Lower Lowercase CWU Changes_When_Uppercased CWT Changes_When_Titlecased",
     {0x0, 0x7fffffe00000000, 1}},
    {"Math",
     {0x7000080000000000, 0x5000000040000000, 0}},
    {"QMark Quotation_Mark",
     {0x8400000000, 0x0, 0}},
    {"SD Soft_Dotted",
     {0x0, 0x60000000000, 0}},
    {"Term Terminal_Punctuation",
     {0x8c00500200000000, 0x0, 0}},
    {"Upper Uppercase CWL Changes_When_Lowercased",
     {0x0, 0x7fffffe, 2}},
    {"WSpace White_Space space Pat_WS Pattern_White_Space",
     {0x100003e00, 0x0, 0}},
    {"STerm Sentence_Terminal",
     {0x8000400200000000, 0x0, 0}},
    {"Pat_Syn Pattern_Syntax",
     {0xfc00fffe00000000, 0x7800000178000001, 0}},
    {"CI Case_Ignorable",
     {0x400408000000000, 0x140000000, 0}},
    {"CWCF Changes_When_Casefolded CWKCF Changes_When_NFKC_Casefolded",
     {0x0, 0x7fffffe, 3}},
    {"Emoji EComp Emoji_Component",
     {0x3ff040800000000, 0x0, 0}},
    {"ASCII",
     {0xffffffffffffffff, 0xffffffffffffffff, 0}},
    {"Any Assigned",
     {0xffffffffffffffff, 0xffffffffffffffff, 3}},
};

static const struct property scripts[] = {
    {"Latin Latn", {0x0, 0x7fffffe07fffffe, 3}},
    {"Common Zyyy", {0xffffffffffffffff, 0xf8000001f8000001, 0}},
    {
     "Adlam Adlm Aghb Ahom Anatolian_Hieroglyphs Arab Arabic Armenian Armi Armn Avestan Avst "
     "Bali Balinese Bamu Bamum Bass Bassa_Vah Batak Batk Beng Bengali Berf Beria_Erfe "
     "Bhaiksuki Bhks Bopo Bopomofo Brah Brahmi Brai Braille Bugi Buginese Buhd Buhid Cakm "
     "Canadian_Aboriginal Cans Cari Carian Caucasian_Albanian Chakma Cham Cher Cherokee "
     "Chorasmian Chrs Copt Coptic Cpmn Cprt Cuneiform Cypriot Cypro_Minoan Cyrillic Cyrl "
     "Deseret Deva Devanagari Diak Dives_Akuru Dogr Dogra Dsrt Dupl Duployan Egyp "
     "Egyptian_Hieroglyphs Elba Elbasan Elym Elymaic Ethi Ethiopic Gara Garay Geor Georgian "
     "Glag Glagolitic Gong Gonm Goth Gothic Gran Grantha Greek Grek Gujarati Gujr Gukh "
     "Gunjala_Gondi Gurmukhi Guru Gurung_Khema Han Hang Hangul Hani Hanifi_Rohingya Hano "
     "Hanunoo Hatr Hatran Hebr Hebrew Hira Hiragana Hluw Hmng Hmnp Hung Imperial_Aramaic "
     "Inherited Inscriptional_Pahlavi Inscriptional_Parthian Ital Java Javanese Kaithi Kali "
     "Kana Kannada Katakana Kawi Kayah_Li Khar Kharoshthi Khitan_Small_Script Khmer Khmr Khoj "
     "Khojki Khudawadi Kirat_Rai Kits Knda Krai Kthi Lana Lao Laoo Lepc Lepcha Limb Limbu Lina "
     "Linb Linear_A Linear_B Lisu Lyci Lycian Lydi Lydian Mahajani Mahj Maka Makasar Malayalam "
     "Mand Mandaic Mani Manichaean Marc Marchen Masaram_Gondi Medefaidrin Medf Meetei_Mayek "
     "Mend Mende_Kikakui Merc Mero Meroitic_Cursive Meroitic_Hieroglyphs Miao Mlym Modi Mong "
     "Mongolian Mro Mroo Mtei Mult Multani Myanmar Mymr Nabataean Nag_Mundari Nagm Nand "
     "Nandinagari Narb Nbat New_Tai_Lue Newa Nko Nkoo Nshu Nushu Nyiakeng_Puachue_Hmong Ogam "
     "Ogham Ol_Chiki Ol_Onal Olck Old_Hungarian Old_Italic Old_North_Arabian Old_Permic "
     "Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Onao Oriya Orkh Orya "
     "Osage Osge Osma Osmanya Ougr Pahawh_Hmong Palm Palmyrene Pau_Cin_Hau Pauc Perm Phag "
     "Phags_Pa Phli Phlp Phnx Phoenician Plrd Prti Psalter_Pahlavi Qaac Qaai Rejang Rjng Rohg "
     "Runic Runr Samaritan Samr Sarb Saur Saurashtra Sgnw Sharada Shavian Shaw Shrd Sidd "
     "Siddham Sidetic Sidt SignWriting Sind Sinh Sinhala Sogd Sogdian Sogo Sora Sora_Sompeng "
     "Soyo Soyombo Sund Sundanese Sunu Sunuwar Sylo Syloti_Nagri Syrc Syriac Tagalog Tagb "
     "Tagbanwa Tai_Le Tai_Tham Tai_Viet Tai_Yo Takr Takri Tale Talu Tamil Taml Tang Tangsa "
     "Tangut Tavt Tayo Telu Telugu Tfng Tglg Thaa Thaana Thai Tibetan Tibt Tifinagh Tirh "
     "Tirhuta Tnsa Todhri Todr Tolong_Siki Tols Toto Tulu_Tigalari Tutg Ugar Ugaritic Unknown "
     "Vai Vaii Vith Vithkuqi Wancho Wara Warang_Citi Wcho Xpeo Xsux Yezi Yezidi Yi Yiii "
     "Zanabazar_Square Zanb Zinh Zzzz",
     {0x0, 0x0, 0}},
};

/* Each has strings of several characters, none of which is ASCII. */
static const struct property sequences[] = {
    {"Basic_Emoji Emoji_Keycap_Sequence RGI_Emoji RGI_Emoji_Flag_Sequence RGI_Emoji_Modifier_Sequence "
     "RGI_Emoji_Tag_Sequence RGI_Emoji_ZWJ_Sequence",
     {0x0, 0x0, 0}},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Whether NAME is one of NAMES. */
static bool is_among(struct mrc_bytes name, const char *names)
{
    while (*names) {
        size_t len = strcspn(names, " ");

        if (len && mrc_bytes_eq(name, (struct mrc_bytes){names, len}))
            return true;
        names += len + strspn(names + len, " ");
    }
    return false;
}

/* Finds NAME in the COUNT rows of TABLE. */
static bool find(const struct property *table, size_t count, struct mrc_bytes name,
                 struct mrc_urlpattern_set *ret_set)
{
    for (size_t i = 0; i < count; i++) {
        if (is_among(name, table[i].names)) {
            *ret_set = (struct mrc_urlpattern_set){.may_hold_strings = table == sequences};
            memcpy(ret_set->bits, table[i].bits, sizeof(ret_set->bits));
            return true;
        }
    }
    return false;
}

bool mrc_urlpattern_property_find(struct mrc_bytes expression, struct mrc_urlpattern_set *ret_set)
{
    const char *equals = memchr(expression.ptr, '=', expression.len);
    struct mrc_bytes name = expression, value;

    if (!equals)
        return find(categories, COUNT(categories), name, ret_set) ||
               find(binaries, COUNT(binaries), name, ret_set) ||
               find(sequences, COUNT(sequences), name, ret_set);
    name.len = (size_t)(equals - expression.ptr);
    value = (struct mrc_bytes){equals + 1, expression.len - name.len - 1};
    if (is_among(name, "General_Category gc"))
        return find(categories, COUNT(categories), value, ret_set);
    /* An ASCII character has the same script in both properties. */
    return is_among(name, "Script sc Script_Extensions scx") &&
           find(scripts, COUNT(scripts), value, ret_set);
}
