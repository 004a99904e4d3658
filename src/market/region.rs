//! Regions: countries by their codes.

/// The codes that ISO 3166-1 assigns (alpha-2), each two letters, in order.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD \
    CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF \
    GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
    VN VU WF WS YE YT ZA ZM ZW";

/// Whether `code` is that of a country, as `GB`: two capital letters of ISO 3166-1.
pub fn is_region(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.split(' ').any(|country| country == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_the_249_countries_of_the_standard() {
        let all: Vec<&str> = COUNTRIES.split(' ').collect();
        assert!(
            all.len() == 249 && all.is_sorted_by(|a, b| a < b) && all.iter().all(|code| code.len() == 2),
            "{all:?}"
        );
        for code in ["GB", "IE", "DE", "US", "ZW", "AD"] {
            assert!(is_region(code), "{code}");
        }
        for code in ["", "UK", "EU", "gb", "GBR", "G", "G B", "XX", "DE AT", "ÄÄ"] {
            assert!(!is_region(code), "{code}");
        }
    }
}
