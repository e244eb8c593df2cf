//! Characters that look like others: letters of other scripts, enclosed letters, digits for letters.
//!
//! Always holds: every mapping is from one lower-case character to one ASCII letter. A small table of what is used in
//! chats, not the whole of Unicode's list. Does not know: words.

/// Letters of other alphabets, lower case, and the Latin letter that each is taken for.
const LETTERS: [(&str, &str); 4] = [
    // Cyrillic
    ("авгеһніјкмпоорстухѕԁԛԝьи", "abrehhijkmnoopctyxsdqwbu"),
    // Greek
    ("αβγεηικνορτυχωμ", "abyenikvoptuxwu"),
    // Latin with strokes and the like, which do not decompose
    ("ıłøđħŧɑɡɩʋƒ", "ilodhtagivf"),
    // small capitals
    ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz"),
];

/// The Latin letter that this lower-case letter is (to the eye), if any.
pub(super) fn latin_letter(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return letter.is_ascii_alphabetic().then_some(letter);
    }
    LETTERS.iter().find_map(|(looks, latin)| {
        looks.chars().zip(latin.chars()).find(|(look, _)| *look == letter).map(|(_, latin)| latin)
    })
}

/// A letter in a box, a circle or as a flag, which compatibility decomposition leaves alone.
pub(super) fn unboxed(symbol: char) -> Option<char> {
    let index = match symbol {
        '\u{1F150}'..='\u{1F169}' => symbol as u32 - 0x1F150,
        '\u{1F170}'..='\u{1F189}' => symbol as u32 - 0x1F170,
        '\u{1F1E6}'..='\u{1F1FF}' => symbol as u32 - 0x1F1E6,
        _ => return None,
    };
    char::from_u32('a' as u32 + index)
}

/// The letter for which people write this digit or sign.
pub(super) fn leet_letter(sign: char) -> Option<char> {
    Some(match sign {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sides_of_the_table_match() {
        for (looks, latin) in LETTERS {
            assert_eq!(looks.chars().count(), latin.len(), "{looks}");
        }
        assert_eq!(latin_letter('\u{0441}'), Some('c'));
        assert_eq!(latin_letter('ж'), None);
        assert_eq!(unboxed('🅱'), Some('b'));
    }
}
