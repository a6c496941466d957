"""Countries and nationalities as publishers write them, turned into ISO 3166-1 alpha-2 codes.

What is not in the table stays as the publisher wrote it: it is kept in the record and its digest,
and screening does not compare it.
"""

from __future__ import annotations

import re
import unicodedata

# alpha-2, alpha-3, then every name and adjective under which lists write the country.
_TABLE = """
AE ARE united arab emirates|uae|emirati
AF AFG afghanistan|afghan
AL ALB albania|albanian
AM ARM armenia|armenian
AO AGO angola|angolan
AR ARG argentina|argentine|argentinian
AT AUT austria|austrian
AU AUS australia|australian
AZ AZE azerbaijan|azerbaijani
BA BIH bosnia and herzegovina|bosnia|bosnian|bosnia herzegovina
BB BRB barbados
BD BGD bangladesh|bangladeshi
BE BEL belgium|belgian
BF BFA burkina faso|burkinabe
BG BGR bulgaria|bulgarian
BH BHR bahrain|bahraini
BI BDI burundi|burundian
BJ BEN benin
BM BMU bermuda
BO BOL bolivia|bolivian|bolivia plurinational state of
BR BRA brazil|brazilian
BS BHS bahamas|the bahamas|bahamas the
BY BLR belarus|belarusian|belarussian
BZ BLZ belize|belizean
CA CAN canada|canadian
CD COD democratic republic of the congo|congo democratic republic of the|drc|dr congo|congolese
CF CAF central african republic|car
CG COG congo|republic of the congo|congo republic of the
CH CHE switzerland|swiss
CI CIV cote d ivoire|ivory coast|ivorian
CK COK cook islands
CL CHL chile|chilean
CM CMR cameroon|cameroonian
CN CHN china|chinese|people s republic of china|china mainland|prc
CO COL colombia|colombian
CR CRI costa rica|costa rican
CU CUB cuba|cuban
CW CUW curacao
CY CYP cyprus|cypriot
CZ CZE czech republic|czechia|czech
DE DEU germany|german|federal republic of germany
DJ DJI djibouti
DK DNK denmark|danish
DM DMA dominica
DO DOM dominican republic
DZ DZA algeria|algerian
EC ECU ecuador|ecuadorian
EE EST estonia|estonian
EG EGY egypt|egyptian
ER ERI eritrea|eritrean
ES ESP spain|spanish
ET ETH ethiopia|ethiopian
FI FIN finland|finnish
FJ FJI fiji
FR FRA france|french
GA GAB gabon|gabonese
GB GBR united kingdom|uk|great britain|british|england|scotland|united kingdom of great britain and northern ireland
GE GEO georgia|georgian
GH GHA ghana|ghanaian
GI GIB gibraltar
GM GMB gambia|gambian|the gambia|gambia the
GN GIN guinea|guinean|republic of guinea
GQ GNQ equatorial guinea
GR GRC greece|greek
GT GTM guatemala|guatemalan
GW GNB guinea bissau|republic of guinea bissau|bissau guinean
GY GUY guyana|guyanese
HK HKG hong kong|china hong kong|hong kong sar
HN HND honduras|honduran
HR HRV croatia|croatian
HT HTI haiti|haitian
HU HUN hungary|hungarian
ID IDN indonesia|indonesian
IE IRL ireland|irish
IL ISR israel|israeli
IM IMN isle of man|man isle of
IN IND india|indian
IQ IRQ iraq|iraqi
IR IRN iran|iranian|iran islamic republic of|islamic republic of iran
IS ISL iceland
IT ITA italy|italian
JE JEY jersey
JM JAM jamaica|jamaican
JO JOR jordan|jordanian
JP JPN japan|japanese
KE KEN kenya|kenyan
KG KGZ kyrgyzstan|kyrgyz|kyrgyz republic
KH KHM cambodia|cambodian
KM COM comoros|union of the comoros
KN KNA saint kitts and nevis|st kitts and nevis
KP PRK north korea|democratic people s republic of korea|dprk|korea north|north korean|korea democratic people s republic of|democratic people s republic of korea north korea
KR KOR south korea|korea south|republic of korea|korea republic of|south korean
KW KWT kuwait|kuwaiti
KY CYM cayman islands
KZ KAZ kazakhstan|kazakh|kazakhstani
LA LAO laos|lao people s democratic republic|lao
LB LBN lebanon|lebanese
LI LIE liechtenstein
LK LKA sri lanka|sri lankan
LR LBR liberia|liberian
LT LTU lithuania|lithuanian
LU LUX luxembourg
LV LVA latvia|latvian
LY LBY libya|libyan|libyan arab jamahiriya|state of libya
MA MAR morocco|moroccan
MC MCO monaco
MD MDA moldova|moldovan|republic of moldova|moldova republic of
ME MNE montenegro|montenegrin
MG MDG madagascar
MH MHL marshall islands|marshall islands republic of
MK MKD north macedonia|macedonia|the former yugoslav republic of macedonia|north macedonia the republic of
ML MLI mali|malian
MM MMR burma|myanmar|burmese|myanmar burma|myanmar birmanie
MN MNG mongolia|mongolian
MO MAC macau|macao
MR MRT mauritania|mauritanian
MT MLT malta|maltese
MU MUS mauritius
MV MDV maldives|maldivian
MX MEX mexico|mexican
MY MYS malaysia|malaysian
MZ MOZ mozambique|mozambican
NA NAM namibia|namibian
NE NER niger|nigerien
NG NGA nigeria|nigerian
NI NIC nicaragua|nicaraguan
NL NLD netherlands|the netherlands|dutch
NO NOR norway|norwegian
NP NPL nepal|nepalese
NZ NZL new zealand
OM OMN oman|omani
PA PAN panama|panamanian
PE PER peru|peruvian
PG PNG papua new guinea
PH PHL philippines|philippine|filipino|the philippines
PK PAK pakistan|pakistani
PL POL poland|polish
PS PSE palestine|palestinian|state of palestine|occupied palestinian territory|palestinian territory occupied|palestinian territories|west bank|gaza
PT PRT portugal|portuguese
PW PLW palau
PY PRY paraguay|paraguayan
QA QAT qatar|qatari
RO ROU romania|romanian
RS SRB serbia|serbian
RU RUS russia|russian|russian federation
RW RWA rwanda|rwandan
SA SAU saudi arabia|saudi arabian|saudi|kingdom of saudi arabia
SC SYC seychelles
SD SDN sudan|sudanese|the sudan
SE SWE sweden|swedish
SG SGP singapore|singaporean
SI SVN slovenia|slovenian
SK SVK slovakia|slovak
SL SLE sierra leone|sierra leonean
SM SMR san marino
SN SEN senegal|senegalese
SO SOM somalia|somali|federal republic of somalia
SS SSD south sudan|south sudanese
ST STP sao tome and principe
SV SLV el salvador|salvadoran
SY SYR syria|syrian|syrian arab republic
TD TCD chad|chadian
TG TGO togo|togolese
TH THA thailand|thai
TJ TJK tajikistan|tajik|tajikistani
TM TKM turkmenistan|turkmen
TN TUN tunisia|tunisian
TO TON tonga
TR TUR turkey|turkish|turkiye
TT TTO trinidad and tobago|trinidadian
TV TUV tuvalu
TW TWN taiwan|taiwanese|taiwan province of china
TZ TZA tanzania|tanzanian|united republic of tanzania|tanzania united republic of
UA UKR ukraine|ukrainian
UG UGA uganda|ugandan
US USA united states|united states of america|usa|american|us
UY URY uruguay|uruguayan
UZ UZB uzbekistan|uzbek|uzbekistani
VC VCT saint vincent and the grenadines|st vincent and the grenadines
VE VEN venezuela|venezuelan|venezuela bolivarian republic of|bolivarian republic of venezuela
VG VGB british virgin islands|virgin islands british
VN VNM vietnam|viet nam|vietnamese
VU VUT vanuatu
WS WSM samoa
XK XKX kosovo|kosovar
YE YEM yemen|yemeni|republic of yemen
ZA ZAF south africa|south african
ZM ZMB zambia|zambian
ZW ZWE zimbabwe|zimbabwean
"""  # noqa: E501 - one country a line is how the table is read and searched

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_NOTE = re.compile(r"\s*[(\[].*\Z", re.DOTALL)
_MARKER = re.compile(r"(?:^|\s)\(?(?:[0-9]{1,2}|[a-h])\)(?:-\(?(?:[0-9]{1,2}|[a-h])\))?\s*")
_UNKNOWN = frozenset({"", "00", "unknown", "none", "na", "n a"})


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return _NOT_WORD.sub(" ", plain).strip()


def _load() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        alpha2, alpha3, names = line.split(" ", maxsplit=2)
        for name in (alpha2.casefold(), alpha3.casefold(), *names.split("|")):
            table[name] = alpha2
    return table


_CODES = _load()


def code(text: str | None) -> str | None:
    """Return the alpha-2 code for a name, adjective or code; else the text itself; None if empty.

    `Belarus / Bélarus` and `Afghanistan (since 2009)` are understood.
    """
    if not text or _key(text) in _UNKNOWN:
        return None
    for part in (text, _NOTE.sub("", text), *text.split(" / ")):
        found = _CODES.get(_key(part))
        if found:
            return found
    return text


def several(text: str | None) -> tuple[str, ...]:
    """Return the codes in a text with numbered parts: `(1) Iraq (2) Iran`, `a) Iraq b) Iran`."""
    parts = _MARKER.split(text or "")
    return tuple(found for part in parts if (found := code(part.strip(" .,;"))))


def is_code(text: str) -> bool:
    """Say whether `text` is an alpha-2 code rather than a publisher's words."""
    return len(text) == 2 and text.isascii() and text.isupper()
