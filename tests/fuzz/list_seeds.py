"""Small lists in the format of every publisher."""

from __future__ import annotations

from tests.core.lists.test_formats import EU_XML
from tests.fuzz.seeds import LISTS, PARTS, lines

_OFAC_XML = b"""<sdnList xmlns="urn:x"><publshInformation><Publish_Date>03/28/2025</Publish_Date>
<Record_Count>1</Record_Count></publshInformation><sdnEntry><uid>5</uid>
<firstName>Jane</firstName><lastName>DOE</lastName><sdnType>Individual</sdnType>
<programList><program>X</program></programList>
<akaList><aka><category>weak</category><lastName>D</lastName><firstName>J</firstName></aka></akaList>
<idList><id><idType>Passport</idType><idNumber>A1</idNumber></id></idList>
<nationalityList><nationality><country>Iran</country></nationality></nationalityList>
<dateOfBirthList><dateOfBirthItem><dateOfBirth>circa 1950</dateOfBirth></dateOfBirthItem>
</dateOfBirthList></sdnEntry></sdnList>"""

_CANADA = b"""<?xml version="1.0" encoding="UTF-8"?><data-set><record>
<Country>Belarus / B\xc3\xa9larus</Country><LastName>Atabekov</LastName><GivenName>K</GivenName>
<Aliases>Belarusian: \xd0\xa0\xd1\x83, Russian: R; B or C</Aliases>
<DateOfBirthOrShipBuildDate>1965-04-29</DateOfBirthOrShipBuildDate><Schedule>1, Part 1</Schedule>
<Item>1</Item></record><record><Country>Iran</Country><EntityOrShip>The Ship</EntityOrShip>
<ShipIMONumber>1234567</ShipIMONumber><Item>2</Item></record></data-set>"""

_EU_PARTY = {
    "birthdates": [
        {"birthdate": "1962-09-03", "calendar_type": "GREGORIAN", "circa": False, "year": 1962}
    ],
    "citizenships": [{"country_description": "INDONESIA", "country_iso2_code": "ID"}],
    "eu_reference_number": "EU.1001.60",
    "logical_id": "1069",
    "name_aliases": [{"strong": True, "whole_name": "Yasin Mahmud"}, {"last_name": "Syawal"}],
    "regulations": [{"number_title": "2019/555 (OJ L97)", "programme": "TAQA"}],
    "subject_type": {"classification_code": "P", "code": "person"},
}

_UK_PARTY = {
    "unique_id": "X1",
    "individual_entity_ship": "Individual",
    "names": {
        "names": [
            {"name1": "Jane", "name6": "DOE", "name_type": "Primary Name"},
            {"name6": "JD", "name_type": "Alias"},
        ]
    },
    "addresses": {"addresses": [{"address_country": "Afghanistan"}]},
    "regime_name": "The Afghanistan (Sanctions) (EU Exit) Regulations 2020",
}

_FTM = (
    {
        "id": "p1",
        "schema": "Person",
        "properties": {
            "name": ["Jane Doe"],
            "weakAlias": ["JD"],
            "birthDate": ["1970-02"],
            "nationality": ["ir"],
            "passportNumber": ["A1"],
        },
        "target": True,
    },
    {"id": "s1", "schema": "Sanction", "properties": {"entity": ["p1"], "program": ["SDGT"]}},
    {"id": "d1", "schema": "Passport", "properties": {"holder": ["p1"], "number": ["B2"]}},
)


def of(reader: str) -> list[bytes]:
    """Return lists that this reader reads; the files of a set stand behind each other."""
    ofac = PARTS.join(
        (LISTS / "us-ofac" / f"{part}.csv").read_bytes()
        for part in ("sdn", "alt", "add", "sdn_comments")
    )
    found: dict[str, list[bytes]] = {
        "ofac-csv": [ofac, ofac.split(PARTS)[0]],
        "ofac-xml": [_OFAC_XML],
        "un-xml": [(LISTS / "un/consolidated.xml").read_bytes()],
        "eu-csv": [(LISTS / "eu/fsf.csv").read_bytes()],
        "eu-xml": [EU_XML.encode()],
        "eu-jsonl": [lines([_EU_PARTY])],
        "uk-csv": [(LISTS / "uk/conlist.csv").read_bytes()],
        "uk-jsonl": [lines([_UK_PARTY])],
        "ca-xml": [_CANADA],
        "ftm-jsonl": [lines(_FTM)],
        "au-jsonl": [(LISTS / "au/dfat.jsonl").read_bytes()],
    }
    return found[reader]
