//! Names of many cultures, with the letters by which they are written in an address.

/// How people of one language are named and reached.
#[derive(Debug)]
pub(super) struct Culture {
    /// Language tags, one of which a person prefers.
    pub(super) languages: &'static [&'static str],
    /// Names separated by `|`; a name that is not in Latin letters has its romanised form after `=`.
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    /// What stands between the two when the family name comes first; `None` when the given name does.
    pub(super) family_first: Option<&'static str>,
    /// Mobile number; `#` is a digit.
    pub(super) phone: &'static str,
}

pub(super) static CULTURES: [Culture; 16] = [
    Culture {
        languages: &["en-US", "en-US", "en-CA"],
        given: "James|Olivia|Liam|Emma|Noah|Ava|Ethan|Sophia|Mason|Isabella|Logan|Mia|Lucas|Charlotte|Jackson|Amelia|\
                Aiden|Harper|Mary-Kate|Billy-Ray|Jo|D'Andre|LaToya|J.T.",
        family: "Smith|Johnson|Williams|Brown|Davis|Miller|Wilson|Moore|Taylor|Anderson|Thomas|Jackson|White|Harris|\
                 Martin|Thompson|McDonald|De La Cruz|St. John|Lee|Vander Meer|Carter-Jones",
        family_first: None,
        phone: "+1 425 555 01##",
    },
    Culture {
        languages: &["en-GB", "en-IE", "cy-GB"],
        given: "Oliver|Aoife|Siân|Niamh|Rhys|Saoirse|Callum|Gwenllian|Alistair|Fiona|Seán|Caoimhe|Euan|Imogen|Rory|\
                Anne-Marie",
        family: "O'Brien|O'Sullivan|MacLeod|Fitzgerald|Jones|Ó Conaill|Davies|Campbell|Murphy|D'Arcy|Evans|\
                 Featherstonehaugh|Cholmondeley|Smythe-Fortescue|Macfarlane|Ní Dhomhnaill",
        family_first: None,
        phone: "+44 7700 900###",
    },
    Culture {
        languages: &["ko-KR"],
        given: "민준=Minjun|서연=Seoyeon|도윤=Doyun|하은=Haeun|지훈=Jihun|지우=Jiwoo|현우=Hyunwoo|수빈=Subin|예준=Yejun|\
                민서=Minseo|건우=Geonwoo|유진=Yujin|성호=Sungho|은지=Eunji|태양=Taeyang|가은=Gaeun|준서=Junseo|나래=Narae|\
                한결=Hangyeol|솔=Sol",
        family: "김=Kim|이=Lee|박=Park|최=Choi|정=Jung|강=Kang|조=Cho|윤=Yoon|장=Jang|임=Lim|한=Han|오=Oh|서=Seo|신=Shin|\
                 권=Kwon|황=Hwang|남궁=Namgung|제갈=Jegal|선우=Sunwoo|독고=Dokgo",
        family_first: Some(""),
        phone: "+82 10-####-####",
    },
    Culture {
        languages: &["ja-JP"],
        given: "蓮=Ren|陽菜=Hina|大翔=Hiroto|結衣=Yui|悠真=Yuma|さくら=Sakura|健太=Kenta|美咲=Misaki|拓海=Takumi|七海=Nanami|\
                翔太=Shota|あかり=Akari|直樹=Naoki|千尋=Chihiro",
        family: "佐藤=Sato|鈴木=Suzuki|高橋=Takahashi|田中=Tanaka|伊藤=Ito|渡辺=Watanabe|山本=Yamamoto|中村=Nakamura|\
                 小林=Kobayashi|加藤=Kato|吉田=Yoshida|長谷川=Hasegawa|勅使河原=Teshigawara|五十嵐=Igarashi",
        family_first: Some(" "),
        phone: "+81 90-####-####",
    },
    Culture {
        languages: &["zh-CN", "zh-TW", "zh-HK"],
        given: "伟=Wei|芳=Fang|娜=Na|秀英=Xiuying|敏=Min|静=Jing|磊=Lei|洋=Yang|浩然=Haoran|梓涵=Zihan|子轩=Zixuan|\
                雨桐=Yutong|国强=Guoqiang|晓明=Xiaoming|建華=Jianhua|淑芬=Shufen",
        family: "王=Wang|李=Li|张=Zhang|刘=Liu|陈=Chen|杨=Yang|黄=Huang|赵=Zhao|吴=Wu|周=Zhou|徐=Xu|孙=Sun|欧阳=Ouyang|\
                 司马=Sima|諸葛=Zhuge|歐陽=Auyeung",
        family_first: Some(""),
        phone: "+86 138 #### ####",
    },
    Culture {
        languages: &["ar-SA", "ar-EG", "ar-AE"],
        given: "محمد=Mohammed|فاطمة=Fatima|أحمد=Ahmed|عائشة=Aisha|علي=Ali|مريم=Maryam|يوسف=Yusuf|خديجة=Khadija|\
                عبد الرحمن=Abdulrahman|نور=Nour|عمر=Omar|ليلى=Layla|خالد=Khaled|زينب=Zainab",
        family: "الحربي=Alharbi|القحطاني=Alqahtani|الغامدي=Alghamdi|حسن=Hassan|إبراهيم=Ibrahim|المصري=Elmasry|\
                 الشمري=Alshammari|بن سلمان=Bin Salman|آل مكتوم=Al Maktoum|عبد الله=Abdullah|الزهراني=Alzahrani|\
                 منصور=Mansour",
        family_first: None,
        phone: "+966 5# ### ####",
    },
    Culture {
        languages: &["de-DE", "de-AT", "de-CH"],
        given: "Jürgen|Käthe|Björn|Sören|Anneliese|Günther|Heidrun|Karl-Heinz|Zoë|Maximilian|Ursula|Hans-Joachim|Lena|\
                Friederike|Mathias|Gisela",
        family: "Müller|Schäfer|Weiß|Größl|Köhler|Schröder|von der Leyen|Freiherr von Münchhausen|Öztürk-Schmidt|Bauer|\
                 Leutheusser-Schnarrenberger|Strauß|Wolf|Schulz|zu Guttenberg|Krämer",
        family_first: None,
        phone: "+49 151 ########",
    },
    Culture {
        languages: &["fr-FR", "fr-CA", "fr-BE"],
        given: "Zoé|François|Noël|Chloé|Jean-Baptiste|Marie-Élisabeth|Théo|Inès|Loïc|Maëlle|Gaëtan|Anaïs|Étienne|\
                Geneviève|Aurélien|Océane",
        family: "Lefèvre|D'Aubigné|L'Hôpital|Bézier|Dubois|de La Rochefoucauld|Gauthier|Castañet|Ménard|Côté|Lévesque|\
                 Garçon|d'Estaing|Montgolfier|Boulanger|Sœur",
        family_first: None,
        phone: "+33 6 ## ## ## ##",
    },
    Culture {
        languages: &["es-ES", "es-MX", "es-AR"],
        given: "José|María del Carmen|Íñigo|Lucía|Ángel|Sofía|Martín|Concepción|Joaquín|Begoña|Raúl|Ximena|\
                Juan Pablo|Guadalupe|Andrés|Nuria",
        family: "García|Núñez|Ibáñez de la Torre|Peña|Rodríguez y Fernández|Muñoz|Domínguez|Etxeberria|Güell|\
                 Martínez-Almeida|Vázquez|Ordóñez|de los Ríos|Iturriaga|Salazar|López",
        family_first: None,
        phone: "+34 6## ### ###",
    },
    Culture {
        languages: &["pt-BR", "pt-PT"],
        given: "João|Conceição|Antônio|Inês|Luís|Thaís|Gonçalo|Beatriz|Caetano|Fabrício|Ângela|Maria da Glória",
        family: "Gonçalves|da Conceição|dos Santos|Araújo|Magalhães|Simões|Cavalcanti de Albuquerque|Brandão|Sá|Leitão|\
                 Montalvão|de Bragança e Bourbon",
        family_first: None,
        phone: "+55 11 9####-####",
    },
    Culture {
        languages: &["pl-PL", "cs-CZ", "hr-HR", "hu-HU"],
        given: "Łukasz|Małgorzata|Żaneta|Zdzisław|Jiří|Šárka|Željko|Đurđica|Ágnes|Győző|Božena|Stanisław",
        family: "Wiśniewski|Źrebiec|Brzęczyszczykiewicz|Dvořák|Čapek|Šimić|Đoković|Kovačević|Szabó|Erdős|\
                 Gałczyńska-Śliwińska|Novák",
        family_first: None,
        phone: "+48 6## ### ###",
    },
    Culture {
        languages: &["sv-SE", "nb-NO", "da-DK", "is-IS", "fi-FI"],
        given: "Åsa|Bjørn|Sigríður|Þór|Mäkelä|Øystein|Ingrid|Jón|Søren|Päivi|Æsa|Linnéa",
        family: "Ångström|Sjöberg|Sørensen|Guðmundsdóttir|Þorsteinsson|Hämäläinen|Øverland|Åkesson|Kjærgaard|Lindqvist|\
                 Bergström|Nygård",
        family_first: None,
        phone: "+46 70 ### ## ##",
    },
    Culture {
        languages: &["en-NG", "sw-KE", "am-ET", "zu-ZA", "fr-SN"],
        given: "Chukwuemeka|Ngozi|Oluwaseun|Thandiwe|Kwame|Amina|Tendai|Nkechi|Ọlọ́runfẹ́mi=Olorunfemi|Wanjiku|Sipho|\
                አበበ=Abebe|Fatoumata|Mbali",
        family: "Okonkwo|Adébáyọ̀=Adebayo|Mwangi|Dlamini|Nkrumah|Diallo|Okafor|Ngũgĩ|ከበደ=Kebede|Mthembu|N'Diaye|\
                 Ogunbanjo-Williams",
        family_first: None,
        phone: "+234 80# ### ####",
    },
    Culture {
        languages: &["hi-IN", "en-IN", "ta-IN", "bn-BD"],
        given: "Aarav|Priya|Vihaan|Ananya|Arjun|Lakshmi|Rohan|Meenakshi|आदित्य=Aditya|दीपिका=Deepika|முருகன்=Murugan|\
                সৌরভ=Sourav|Krishnamurthy|Zara",
        family: "Sharma|Patel|Venkataraman|Iyer|Chatterjee|शर्मा=Sharma|Nair|Subramanian|Khan|সেন=Sen|Reddy|\
                 Thiruvengadathan|Singh|Gupta",
        family_first: None,
        phone: "+91 98### #####",
    },
    Culture {
        languages: &["vi-VN", "th-TH", "id-ID", "tr-TR"],
        given: "Nguyệt|Đức|Thảo|สมชาย=Somchai|พิมพ์ชนก=Pimchanok|Putri|İbrahim|Ayşegül|Çağrı|Quỳnh Như|Dewi|Tuấn",
        family: "Nguyễn|Trần|Phạm|ศรีสุวรรณ=Srisuwan|วงศ์สวัสดิ์=Wongsawat|Wijaya|Yılmaz|Kılıçdaroğlu|Đặng|Öztürk|\
                 Kusumawardhani|Şahin",
        family_first: None,
        phone: "+84 9# ### ## ##",
    },
    Culture {
        languages: &["ru-RU", "uk-UA", "el-GR", "he-IL"],
        given: "Александр=Aleksandr|Екатерина=Ekaterina|Юлія=Yuliia|Дмитро=Dmytro|Γεώργιος=Georgios|Ελένη=Eleni|\
                דוד=David|נועה=Noa|Святослав=Sviatoslav|Ксения=Ksenia",
        family: "Иванов=Ivanov|Щербаков=Shcherbakov|Шевченко=Shevchenko|Коваленко=Kovalenko|\
                 Παπαδόπουλος=Papadopoulos|Οικονόμου=Oikonomou|כהן=Cohen|לוי=Levi|Достоевский=Dostoevsky|Ґонта=Gonta",
        family_first: None,
        phone: "+30 69# ### ####",
    },
];

pub(super) const WORK: [(&str, &[&str]); 10] = [
    (
        "Research & Development",
        &[
            "Director, Research & Development",
            "Principal Scientist",
            "Software Engineer II",
            "Engineer, \"Tiger\" Team",
            "QA Lead",
        ],
    ),
    (
        "Sales",
        &["Account Executive", "Vice President, Sales (EMEA)", "Sales Manager, Key Accounts", "Inside Sales"],
    ),
    ("Marketing", &["Brand Manager", "Editor, Web & Social", "Chief Marketing Officer", "Event Planner"]),
    ("Finance", &["Controller", "Accountant, Payables", "Treasury Analyst", "CFO"]),
    (
        "Human Resources",
        &["HR Business Partner", "Recruiter", "Head of People, Culture & Learning", "Payroll Clerk"],
    ),
    ("Information Technology", &["System Administrator", "Help Desk Agent", "Architect, Identity", "DBA"]),
    (
        "Legal",
        &["General Counsel", "Paralegal", "Counsel, Privacy; Data Protection Officer", "Contract Manager"],
    ),
    ("Operations", &["Plant Manager", "Logistics Coordinator", "Shift Supervisor, Line 3", "Buyer"]),
    (
        "Customer Service",
        &["Agent", "Team Lead, Support", "Interpreter (한국어/English)", "Escalation Manager"],
    ),
    ("Facilities", &["Receptionist", "Electrician", "Head of Security", "Driver"]),
];

pub(super) const OFFICES: [&str; 14] = [
    "18/2111",
    "Seoul, Gangnam 7F",
    "서울 본사",
    "München, Haus B",
    "Paris La Défense",
    "東京 港区",
    "São Paulo",
    "Lagos 2",
    "Pune, Tower C",
    "الرياض",
    "Home",
    "Building \"Z\", Desk 12",
    "Zürich HB",
    "131/1104",
];
