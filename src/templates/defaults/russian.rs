//! Russian titles. Providers make a title that reads alone, in English; another language says the
//! same from the notice's fields.
//!
//! Who did something stands before a dash and what was done is a noun, so that no verb has to agree
//! with a name whose gender nobody knows.

/// Where it happened, at the end of a title.
const WHERE: &str = "{% if notice.collection %} ({{ notice.collection }}){% endif %}";

/// Who did it, at its beginning.
const WHO: &str = "{% if notice.actor %}{{ notice.actor }} — {% endif %}";

/// What a title says besides who and where.
enum Title {
    /// Somebody did something somewhere.
    Deed(&'static str),
    /// Something happened somewhere.
    Fact(&'static str),
    /// A whole title.
    Whole(&'static str),
}

/// The titles by kind. A kind that is not here keeps its provider's own.
static TITLES: &[(&str, Title)] = &[
    (
        "push",
        Title::Deed(
            "{% if notice.labels.commits == '0' %}принудительное обновление\
             {% else %}{{ notice.labels.commits }} \
             {{ notice.labels.commits|plural('коммит', 'коммита', 'коммитов') }}{% endif %}\
             {% if notice.subject.label %} → {{ notice.subject.label }}{% endif %}\
             {% if notice.labels.forced == 'true' and notice.labels.commits != '0' %}, принудительно{% endif %}",
        ),
    ),
    (
        "branch_created",
        Title::Deed("новая ветка {{ notice.subject.label }}"),
    ),
    (
        "branch_deleted",
        Title::Deed("удалена ветка {{ notice.subject.label }}"),
    ),
    (
        "tag_created",
        Title::Deed("новый тег {{ notice.subject.label }}"),
    ),
    (
        "tag_deleted",
        Title::Deed("удалён тег {{ notice.subject.label }}"),
    ),
    (
        "issue_opened",
        Title::Deed("новая задача {{ notice.subject.label }}"),
    ),
    (
        "issue_closed",
        Title::Deed("закрыта задача {{ notice.subject.label }}"),
    ),
    (
        "issue_reopened",
        Title::Deed("снова открыта задача {{ notice.subject.label }}"),
    ),
    (
        "issue_commented",
        Title::Deed("комментарий к задаче {{ notice.subject.label }}"),
    ),
    (
        "issue_labelled",
        Title::Deed("изменены метки задачи {{ notice.subject.label }}"),
    ),
    (
        "issue_assigned",
        Title::Deed(
            "назначение задачи {{ notice.subject.label }}\
             {% if notice.labels.assignees or notice.labels.assignee %}: \
             {{ notice.labels.assignees or notice.labels.assignee }}{% endif %}",
        ),
    ),
    (
        "pull_opened",
        Title::Deed(
            "новый {% if notice.labels.draft == 'true' %}черновик запроса{% else %}запрос{% endif %} \
             на слияние {{ notice.subject.label }}",
        ),
    ),
    (
        "pull_closed",
        Title::Deed("запрос на слияние {{ notice.subject.label }} закрыт без слияния"),
    ),
    (
        "pull_merged",
        Title::Deed(
            "запрос на слияние {{ notice.subject.label }} принят\
             {% if notice.labels.base %} в {{ notice.labels.base }}{% endif %}",
        ),
    ),
    (
        "pull_reopened",
        Title::Deed("снова открыт запрос на слияние {{ notice.subject.label }}"),
    ),
    (
        "pull_updated",
        Title::Deed(
            "{% if notice.labels.action in ['synchronize', 'synchronized'] %}новые коммиты в запросе\
             {% else %}изменён запрос{% endif %} на слияние {{ notice.subject.label }}",
        ),
    ),
    (
        "pull_commented",
        Title::Deed("комментарий к запросу на слияние {{ notice.subject.label }}"),
    ),
    (
        "review_approved",
        Title::Deed("одобрен запрос на слияние {{ notice.subject.label }}"),
    ),
    (
        "review_changes_requested",
        Title::Deed("нужны правки в запросе на слияние {{ notice.subject.label }}"),
    ),
    (
        "review_commented",
        Title::Deed("отзыв о запросе на слияние {{ notice.subject.label }}"),
    ),
    (
        "release_published",
        Title::Deed(
            "{% if notice.labels.prerelease == 'true' %}предварительный выпуск{% else %}новый выпуск{% endif %} \
             {{ notice.labels.name or notice.labels.tag }}\
             {% if notice.labels.name and notice.labels.tag and notice.labels.tag not in notice.labels.name %} \
             ({{ notice.labels.tag }}){% endif %}",
        ),
    ),
    (
        "release_updated",
        Title::Deed(
            "{% if notice.labels.action == 'unpublished' %}отозван{% else %}изменён{% endif %} выпуск \
             {{ notice.labels.name or notice.labels.tag }}",
        ),
    ),
    (
        "release_deleted",
        Title::Deed("удалён выпуск {{ notice.labels.name or notice.labels.tag }}"),
    ),
    (
        "run_succeeded",
        Title::Fact("Успешно: {{ notice.subject.label }}{RUN}"),
    ),
    (
        "run_failed",
        Title::Fact("Сбой: {{ notice.subject.label }}{RUN}"),
    ),
    (
        "run_cancelled",
        Title::Fact("Отменено: {{ notice.subject.label }}{RUN}"),
    ),
    (
        "deployment_changed",
        Title::Fact(
            "Развёртывание{% if notice.labels.environment %} в {{ notice.labels.environment }}{% endif %}\
             {% if notice.labels.state %}: {{ notice.labels.state }}{% endif %}",
        ),
    ),
    ("repository_created", Title::Deed("новый репозиторий")),
    ("repository_deleted", Title::Deed("удалён репозиторий")),
    (
        "repository_renamed",
        Title::Deed(
            "репозиторий {% if notice.labels.action == 'transferred' %}передан{% else %}переименован{% endif %}\
             {% if notice.before.name %}, прежнее имя {{ notice.before.name }}{% endif %}\
             {% if notice.before.owner %}, прежний владелец {{ notice.before.owner }}{% endif %}",
        ),
    ),
    (
        "forked",
        Title::Deed(
            "копия репозитория{% if notice.labels.fork %}: {{ notice.labels.fork }}{% endif %}",
        ),
    ),
    ("starred", Title::Deed("новая звезда")),
    (
        "wiki_changed",
        Title::Deed(
            "{% if notice.labels.pages %}изменено страниц вики: {{ notice.labels.pages }}\
             {% elif notice.labels.action == 'created' %}новая страница вики «{{ notice.labels.page }}»\
             {% elif notice.labels.action == 'deleted' %}удалена страница вики «{{ notice.labels.page }}»\
             {% else %}изменена страница вики «{{ notice.labels.page }}»{% endif %}",
        ),
    ),
    (
        "discussion_opened",
        Title::Deed("новое обсуждение {{ notice.subject.label }}"),
    ),
    (
        "discussion_answered",
        Title::Deed("отмечен ответ в обсуждении {{ notice.subject.label }}"),
    ),
    (
        "security_alert",
        Title::Fact(
            "{% if notice.transition == 'closes' %}Закрыто предупреждение безопасности\
             {% elif notice.transition == 'opens' %}Предупреждение безопасности\
             {% else %}Изменено предупреждение безопасности{% endif %}\
             {% if notice.subject.label %}: {{ notice.subject.label }}{% endif %}",
        ),
    ),
    (
        "member_changed",
        Title::Deed(
            "изменения среди участников: {{ notice.labels.member }}\
             {% if notice.labels.team %}, команда {{ notice.labels.team }}{% endif %}\
             {% if notice.labels.permission %}, права {{ notice.labels.permission }}{% endif %}",
        ),
    ),
    (
        "assets_added",
        Title::Fact(
            "{% if notice.items.added_total %}Новое в альбоме: {{ notice.items.added_total|number }} \
             {{ notice.items.added_total|plural('файл', 'файла', 'файлов') }}\
             {% if notice.items.removed_total %}, убрано: {{ notice.items.removed_total|number }}{% endif %}\
             {% else %}Новое в альбоме{% endif %}",
        ),
    ),
    (
        "assets_removed",
        Title::Fact(
            "{% if notice.items.removed_total %}Убрано из альбома: {{ notice.items.removed_total|number }} \
             {{ notice.items.removed_total|plural('файл', 'файла', 'файлов') }}\
             {% if notice.items.added_total %}, новое: {{ notice.items.added_total|number }}{% endif %}\
             {% else %}Убрано из альбома{% endif %}",
        ),
    ),
    (
        "album_renamed",
        Title::Fact(
            "Новое имя альбома{% if notice.before.name %}, прежнее имя {{ notice.before.name }}{% endif %}",
        ),
    ),
    (
        "album_created",
        Title::Fact(
            "Новый альбом{% if notice.labels.assets %}: {{ notice.labels.assets }} \
             {{ notice.labels.assets|plural('файл', 'файла', 'файлов') }}{% endif %}",
        ),
    ),
    ("album_deleted", Title::Fact("Альбом удалён")),
    (
        "sharing_changed",
        Title::Fact(
            "Доступ к альбому{% if notice.after.sharing == 'private' %}: только владелец\
             {% elif notice.after.sharing == 'shared with members' %}: участники\
             {% elif notice.after.sharing == 'open by a public link' %}: открыт по ссылке\
             {% elif notice.after.sharing %}: участники, открыт по ссылке\
             {% else %} изменён{% endif %}",
        ),
    ),
    (
        "summary",
        Title::Fact(
            "Сводка по альбомам{% if notice.labels.albums %}: {{ notice.labels.albums }} \
             {{ notice.labels.albums|plural('альбом', 'альбома', 'альбомов') }}, \
             {{ notice.labels.assets }} \
             {{ notice.labels.assets|plural('файл', 'файла', 'файлов') }}{% endif %}",
        ),
    ),
    (
        "assets_picked",
        Title::Fact("{% if notice.collection %}Из альбома{% else %}Из ваших альбомов{% endif %}"),
    ),
    ("memory", Title::Fact("В этот день в прошлые годы")),
    ("on_battery", Title::Whole("{UPS}: питание от батареи")),
    ("on_line", Title::Whole("{UPS}: снова питание от сети")),
    ("low_battery", Title::Whole("{UPS}: батарея разряжена")),
    (
        "battery_restored",
        Title::Whole("{UPS}: батарея снова в порядке"),
    ),
    ("comms_lost", Title::Whole("{UPS}: нет связи")),
    ("comms_restored", Title::Whole("{UPS}: связь снова есть")),
    (
        "replace_battery",
        Title::Whole("{UPS}: батарею нужно заменить"),
    ),
    (
        "overload",
        Title::Whole(
            "{UPS}: {% if notice.transition == 'closes' %}перегрузки больше нет{% else %}перегрузка{% endif %}",
        ),
    ),
    (
        "state_changed",
        Title::Whole(
            "{{ notice.subject.label }}{% if notice.labels.attribute %}, {{ notice.labels.attribute }}{% endif %}: \
             {{ notice.labels.value }}\
             {% if notice.labels['for'] %}, уже {{ notice.labels['for'] }}{% endif %}\
             {% if notice.labels.while_away %} (замечено позже){% endif %}",
        ),
    ),
    (
        "automation_triggered",
        Title::Whole("Сработала автоматизация {{ notice.subject.label }}"),
    ),
    (
        "service_called",
        Title::Whole("Вызвана служба {{ notice.subject.label }}"),
    ),
    (
        "event_fired",
        Title::Whole("Событие {{ notice.subject.label }}"),
    ),
    (
        "connection_lost",
        Title::Whole("Нет связи с {{ notice.subject.label }}"),
    ),
    (
        "connection_restored",
        Title::Whole("Связь с {{ notice.subject.label }} восстановлена"),
    ),
    (
        "bridge_target_failing",
        Title::Whole("Направление {{ notice.labels.target }}: сбои отправки"),
    ),
    (
        "bridge_target_recovered",
        Title::Whole("Направление {{ notice.labels.target }} снова работает"),
    ),
    (
        "bridge_receiver_gone",
        Title::Whole(
            "Получатель {{ notice.labels.receiver }} ({{ notice.labels.target }}) больше не существует",
        ),
    ),
    (
        "bridge_provider_unreachable",
        Title::Whole("Источник {{ notice.labels.provider }} недоступен"),
    ),
    (
        "bridge_provider_reachable",
        Title::Whole("Источник {{ notice.labels.provider }} снова доступен"),
    ),
    (
        "bridge_silent",
        Title::Whole(
            "{% if notice.labels.tracker %}Слежение {{ notice.labels.tracker }} молчит\
             {% else %}Источник {{ notice.labels.provider }} молчит{% endif %}",
        ),
    ),
    (
        "bridge_heard_again",
        Title::Whole(
            "{% if notice.labels.tracker %}Слежение {{ notice.labels.tracker }} больше не молчит\
             {% else %}Источник {{ notice.labels.provider }} больше не молчит{% endif %}",
        ),
    ),
    (
        "bridge_storm",
        Title::Whole(
            "Слишком много сообщений для {{ notice.labels.target }}/{{ notice.labels.receiver }}",
        ),
    ),
    (
        "bridge_disk_low",
        Title::Whole(
            "{% if notice.transition == 'closes' %}На диске снова есть место\
             {% else %}На диске почти нет места{% endif %}",
        ),
    ),
    (
        "bridge_backup_failed",
        Title::Whole("Не удалось сделать резервную копию"),
    ),
];

/// A run's number and where it ran.
const RUN: &str = "{% if notice.labels.number %} №{{ notice.labels.number }}{% endif %}\
    {% if notice.labels.branch %}, {{ notice.labels.branch }}{% endif %}";

/// Which UPS it is.
const UPS: &str = "{{ notice.subject.label or 'ИБП' }}";

/// The title of a kind, with who and where it was.
pub(super) fn title(kind: &str) -> Option<String> {
    let (_, title) = TITLES.iter().find(|(name, _)| *name == kind)?;
    let place = match title {
        Title::Deed(_) | Title::Fact(_) => WHERE,
        Title::Whole(_) => "",
    };
    line(kind).map(|line| format!("{line}{place}"))
}

/// The title without the place, as a line below the place's name.
pub(super) fn line(kind: &str) -> Option<String> {
    let (_, title) = TITLES.iter().find(|(name, _)| *name == kind)?;
    Some(match title {
        Title::Deed(what) => format!("{WHO}{what}"),
        Title::Fact(what) => what.replace("{RUN}", RUN),
        Title::Whole(title) => title.replace("{UPS}", UPS),
    })
}
