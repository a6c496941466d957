"""The traps of each format, on small files that show one trap each."""

from __future__ import annotations

import json

from rtgf_node.core.lists import eu_csv, eu_xml, ftm, ofac_csv, ofac_xml, uk_csv, uk_jsonl, un

EU_XML = """<?xml version="1.0" encoding="UTF-8"?>
<export xmlns="http://eu.europa.ec/fpi/fsd/export" generationDate="2024-05-02T10:15:00.000+02:00"
        globalFileId="1">
  <sanctionEntity designationDetails="" euReferenceNumber="EU.1.2" logicalId="13">
    <remark>any</remark>
    <regulation programme="IRQ" numberTitle="1210/2003"/>
    <subjectType code="person" classificationCode="P"/>
    <nameAlias firstName="Maria" lastName="EXAMPLE" wholeName="Maria EXAMPLE" strong="true"/>
    <nameAlias firstName="Mäx" middleName="" lastName="Other" wholeName="" strong="true"/>
    <nameAlias wholeName="The  Weak" strong="false"/>
    <citizenship countryIso2Code="IQ" countryDescription="IRAQ"/>
    <address countryIso2Code="00"/>
    <birthdate circa="true" calendarType="GREGORIAN" year="1961" countryIso2Code="00"/>
    <birthdate circa="false" calendarType="GREGORIAN" birthdate="1937-04-28" year="1937"/>
    <birthdate calendarType="GREGORIAN" yearRangeFrom="1950" yearRangeTo="1955"/>
    <birthdate calendarType="ISLAMIC" year="1402"/>
    <identification identificationTypeCode="passport" number="A 12"/>
  </sanctionEntity>
  <sanctionEntity logicalId="14">
    <regulation programme="SYR"/>
    <subjectType code="enterprise" classificationCode="E"/>
    <nameAlias wholeName="Example Trading" strong="true"/>
  </sanctionEntity>
  <sanctionEntity logicalId="15"><subjectType code="person"/></sanctionEntity>
</export>
"""


def test_eu_xml_reads_names_dates_and_numbers() -> None:
    result = eu_xml.read(EU_XML.encode())
    person, company = result.records
    assert result.published == "2024-05-02"
    assert person.source_id == "EU.1.2"
    assert person.kind == "person"
    assert person.names == ("Maria EXAMPLE", "Mäx Other")
    assert person.aliases == ("The Weak",)
    assert person.countries == ("IQ",)
    assert person.birth_dates == ("1937-04-28", "1950/1955", "1961~")
    assert person.identifiers == ("passport:A 12",)
    assert person.programmes == ("IRQ",)
    assert (company.source_id, company.kind) == ("logical-id:14", "organisation")


def test_a_record_without_a_name_is_counted_and_the_rest_is_read() -> None:
    result = eu_xml.read(EU_XML.encode())
    assert [(each.place, each.reason) for each in result.unreadable] == [("15", "it has no name")]


def test_eu_csv_of_today_is_read_with_a_byte_order_mark() -> None:
    text = (
        "fileGenerationDate;Entity_LogicalId;Entity_EU_ReferenceNumber;Entity_SubjectType;"
        "Entity_Regulation_Programme;NameAlias_WholeName;BirthDate_BirthDate;"
        "Citizenship_CountryIso2Code;Identification_Number;Identification_TypeCode\r\n"
        '02/05/2024;13;EU.1.2;P;IRQ;"Example; Maria";;;;\r\n'
        "02/05/2024;13;EU.1.2;P;IRQ;;1937-04-28;;;\r\n"
        "02/05/2024;13;EU.1.2;P;IRQ;;;IQ;A12;passport\r\n"
        "02/05/2024;oops;EU.1.3;P;IRQ;Name;;;;\r\n"
        "short;row\r\n"
    )
    result = eu_csv.read(b"\xef\xbb\xbf" + text.encode())
    (record,) = result.records
    assert record.names == ("Example; Maria",)
    assert record.birth_dates == ("1937-04-28",)
    assert record.countries == ("IQ",)
    assert record.identifiers == ("passport:A12",)
    assert [each.place for each in result.unreadable] == ["line 5", "line 6"]
    assert result.published == "2024-05-02"


def sdn_row(number: int, name: str, remarks: str = "-0- ", kind: str = "individual") -> bytes:
    cells = f'{number},"{name}","{kind}","SDGT] [IRGC"' + ",-0- " * 7 + f',"{remarks}"\r\n'
    return cells.encode()


def test_ofac_birth_dates_in_all_their_ways() -> None:
    remarks = (
        "DOB 10 Aug 1948; alt. DOB 1962; alt. DOB circa 1961; alt. DOB 1971 to 1973; "
        "alt. DOB Mar 1950; alt. DOB 01 Jan 1970 to 31 Dec 1971; POB Kabul, Afghanistan."
    )
    (record,) = ofac_csv.read(sdn_row(1, "DOE, Jane", remarks) + b"\x1a").records
    assert record.names == ("Jane DOE",)
    assert record.birth_dates == (
        "1948-08-10",
        "1950-03",
        "1961~",
        "1962",
        "1970-01-01/1971-12-31",
        "1971/1973",
    )
    assert record.programmes == ("IRGC", "SDGT")


def test_ofac_nationality_citizenship_numbers_and_weak_aliases() -> None:
    remarks = (
        "nationality Iran; citizen Saint Kitts and Nevis; alt. citizen Iran; a.k.a. 'LITTLE JANE'; "
        "Passport A123 (Iran) expires 01 Jan 2030; Tax ID No. 77 (Russia); Phone Number 4420; "
        "Gender Female; Linked To: SOMEONE."
    )
    (record,) = ofac_csv.read(sdn_row(1, "DOE, Jane", remarks)).records
    assert record.countries == ("IR", "KN")
    assert record.aliases == ("LITTLE JANE",)
    assert record.identifiers == ("passport:A123", "tax:77")


def test_ofac_vessels_keep_flag_and_number() -> None:
    row = b'7,"SHIP","vessel","IRAN",-0- ,"CALL",-0- ,-0- ,-0- ,"Panama",-0- ,'
    remarks = b'"Vessel Registration Identification IMO 9313149; MMSI 352002494."\r\n\x1a'
    (record,) = ofac_csv.read(row + remarks).records
    assert (record.kind, record.countries) == ("vessel", ("PA",))
    assert record.identifiers == ("imo:9313149", "mmsi:352002494")


def test_an_ofac_row_that_does_not_fit_is_reported_with_its_line() -> None:
    data = sdn_row(1, "A") + b"2,too,short\r\n" + sdn_row(3, "C")
    result = ofac_csv.read({"sdn": data, "alt": b'9,1,"aka","X",-0- \r\n'})
    assert [record.source_id for record in result.records] == ["1", "3"]
    assert [each.place for each in result.unreadable] == ["sdn:2", "alt:1"]


def test_ofac_xml_reads_ids_and_publication() -> None:
    data = b"""<sdnList xmlns="urn:x"><publshInformation><Publish_Date>03/28/2025</Publish_Date>
    <Record_Count>1</Record_Count></publshInformation><sdnEntry><uid>5</uid>
    <firstName>Jane</firstName><lastName>DOE</lastName><sdnType>Individual</sdnType>
    <idList><id><idType>Passport</idType><idNumber>A1</idNumber></id>
    <id><idType>Website</idType><idNumber>x1.example</idNumber></id></idList>
    <dateOfBirthList><dateOfBirthItem><dateOfBirth>circa 1950</dateOfBirth></dateOfBirthItem>
    </dateOfBirthList></sdnEntry></sdnList>"""
    result = ofac_xml.read(data)
    (record,) = result.records
    assert result.published == "2025-03-28"
    assert record.names == ("Jane DOE",)
    assert record.identifiers == ("passport:A1",)
    assert record.birth_dates == ("1950~",)


def un_list(quote: str, *individuals: str) -> bytes:
    inner = "".join(f"<INDIVIDUAL>{each}</INDIVIDUAL>" for each in individuals)
    stamp = f"dateGenerated={quote}2025-06-16T23:00:03.057Z{quote}"
    whole = f"<CONSOLIDATED_LIST {stamp}><INDIVIDUALS>{inner}</INDIVIDUALS></CONSOLIDATED_LIST>"
    return whole.encode()


def test_un_quote_style_and_record_order_do_not_matter() -> None:
    first = "<DATAID>1</DATAID><FIRST_NAME>A</FIRST_NAME><FOURTH_NAME>D</FOURTH_NAME>"
    second = "<DATAID>2</DATAID><FIRST_NAME>B</FIRST_NAME>"
    single = un.read(un_list("'", first, second))
    double = un.read(un_list('"', second, first))
    assert single == double
    assert single.records[0].names == ("A D",)
    assert single.published == "2025-06-16"


def test_un_aliases_that_hold_several_names_are_parted() -> None:
    alias = (
        "<INDIVIDUAL_ALIAS><ALIAS_NAME>a.k.a. Jane Doe; a.k.a. Jean D</ALIAS_NAME>"
        "</INDIVIDUAL_ALIAS>"
    )
    (record,) = un.read(
        un_list("'", f"<DATAID>1</DATAID><FIRST_NAME>X</FIRST_NAME>{alias}")
    ).records
    assert [each.rstrip(";") for each in record.aliases] == ["Jane Doe", "Jean D"]


def test_hmt_zeros_are_unknown_parts_of_a_date() -> None:
    header = (
        "Name 6,Name 1,Name 2,Name 3,Name 4,Name 5,DOB,Nationality,Country,Group Type,Alias Type,"
        "Regime,Group ID"
    )
    rows = [
        "Last Updated,13/04/2018,,,,,,,,,,,",
        header,
        "DOE,Jane,,,,,00/00/1980,(1) Iraqi (2) Iranian,Kabul,Individual,Prime Alias,Iraq,7",
        "DOE,J,,,,,00/09/1981,,,Individual,AKA,Iraq,7",
        "DOE,Jo,,,,,,,,Individual,AKA,Iraq,seven",
    ]
    result = uk_csv.read(("\n".join(rows) + "\n").encode())
    (record,) = result.records
    assert record.names == ("Jane DOE",)
    assert record.aliases == ("J DOE",)
    assert record.birth_dates == ("1980", "1981-09")
    assert record.countries == ("IQ", "IR", "Kabul")
    assert [each.place for each in result.unreadable] == ["line 5"]


def test_uk_primary_variations_are_names_and_aliases_are_aliases() -> None:
    names = [
        {"name1": "Jane", "name6": "DOE", "name_type": "Primary Name"},
        {"name1": "Jayne", "name6": "Doe", "name_type": "Primary name variation"},
        {"name6": "JD", "name_type": "ALias"},
    ]
    line = {"unique_id": "X1", "individual_entity_ship": "Individual", "names": {"names": names}}
    broken = {"unique_id": 5, "names": {"names": names}}
    body = "\n".join(json.dumps(each) for each in (line, broken)) + "\n"
    result = uk_jsonl.read(body.encode())
    (record,) = result.records
    assert record.names == ("Jane DOE", "Jayne Doe")
    assert record.aliases == ("JD",)
    assert [each.place for each in result.unreadable] == ["line 2"]


def test_ftm_joins_sanctions_and_documents_to_their_party() -> None:
    entities = [
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
        {
            "id": "d1",
            "schema": "Passport",
            "properties": {"holder": ["p1"], "number": ["B2"]},
        },
        {"id": "a1", "schema": "Address", "properties": {"full": ["Street 1"]}},
        {"id": "p2", "schema": "Person", "properties": {"name": ["A Relative"]}, "target": False},
        {
            "id": "c1",
            "schema": "Company",
            "properties": {
                "name": ["Nested Ltd"],
                "sanctions": [
                    {"id": "s2", "schema": "Sanction", "properties": {"program": ["EU-X"]}}
                ],
            },
        },
    ]
    result = ftm.read("".join(json.dumps(each) + "\n" for each in entities).encode())
    company, person = result.records
    assert (company.source_id, company.programmes) == ("c1", ("EU-X",))
    assert person.names == ("Jane Doe",)
    assert person.aliases == ("JD",)
    assert person.countries == ("IR",)
    assert person.identifiers == ("passport:A1", "passport:B2")
    assert person.programmes == ("SDGT",)
    assert result.unreadable == ()
