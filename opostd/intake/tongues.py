"""What a notification says, in the languages that we speak; and which of them somebody reads.

Pure.  RFC 3282 (Accept-Language, Content-Language), RFC 5646 (tags), RFC 4647 3.4 (look-up).  A language is added by
one more value here; nothing that a program reads is ever translated (RFC 3464).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ENGLISH = "en"
MAX_HEADER = 1000  # octets of an Accept-Language that are read; nobody reads more languages
_RANGE = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:\s*;\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """Subjects and opening sentences, by the action they tell of; ``{}`` stands for what comes in.

    server: our name; said: a server and what it answered; until: a time.
    """

    failed_subject: str
    failed: str
    delayed_subject: str
    delayed: str
    delivered_subject: str
    delivered: str
    relayed_subject: str
    relayed: str
    server: str
    said: str
    until: str


TONGUES = {
    "en": Tongue(
        failed_subject="Your message could not be delivered",
        failed="Your message did not reach these recipients:",
        delayed_subject="Your message is delayed",
        delayed="Your message has not reached these recipients yet.  It is tried again; you need not send it anew:",
        delivered_subject="Your message was delivered",
        delivered="Your message was delivered to these recipients, as you asked to be told:",
        relayed_subject="Your message was handed on",
        relayed="Your message was handed on to a server that does not tell whether it delivers it:",
        server="This is the mail server {}.",
        said="{} said: {}",
        until="It is tried until {}.",
    ),
    "de": Tongue(
        failed_subject="Ihre Nachricht konnte nicht zugestellt werden",
        failed="Ihre Nachricht hat diese Empfänger nicht erreicht:",
        delayed_subject="Ihre Nachricht verzögert sich",
        delayed="Ihre Nachricht hat diese Empfänger noch nicht erreicht.  Es wird weiter versucht; Sie müssen sie nicht"
        " noch einmal senden:",
        delivered_subject="Ihre Nachricht wurde zugestellt",
        delivered="Ihre Nachricht wurde diesen Empfängern zugestellt, wie Sie es wissen wollten:",
        relayed_subject="Ihre Nachricht wurde weitergegeben",
        relayed="Ihre Nachricht wurde an einen Server weitergegeben, der nicht meldet, ob er sie zustellt:",
        server="Hier ist der Mailserver {}.",
        said="{} antwortete: {}",
        until="Es wird versucht bis {}.",
    ),
    "fr": Tongue(
        failed_subject="Votre message n'a pas pu être remis",
        failed="Votre message n'est pas parvenu à ces destinataires :",
        delayed_subject="Votre message est retardé",
        delayed="Votre message n'est pas encore parvenu à ces destinataires.  De nouveaux essais sont faits ; il est"
        " inutile de le renvoyer :",
        delivered_subject="Votre message a été remis",
        delivered="Votre message a été remis à ces destinataires, comme vous aviez demandé à le savoir :",
        relayed_subject="Votre message a été transmis",
        relayed="Votre message a été transmis à un serveur qui ne dit pas s'il le remet :",
        server="Ici le serveur de messagerie {}.",
        said="{} a répondu : {}",
        until="Les essais continuent jusqu'au {}.",
    ),
    "es": Tongue(
        failed_subject="Su mensaje no se pudo entregar",
        failed="Su mensaje no llegó a estos destinatarios:",
        delayed_subject="Su mensaje se retrasa",
        delayed="Su mensaje aún no ha llegado a estos destinatarios.  Se sigue intentando; no hace falta que lo envíe"
        " de nuevo:",
        delivered_subject="Su mensaje fue entregado",
        delivered="Su mensaje fue entregado a estos destinatarios, como pidió que se le avisara:",
        relayed_subject="Su mensaje fue transmitido",
        relayed="Su mensaje fue transmitido a un servidor que no avisa si lo entrega:",
        server="Este es el servidor de correo {}.",
        said="{} respondió: {}",
        until="Se intentará hasta el {}.",
    ),
    "it": Tongue(
        failed_subject="Il suo messaggio non è stato consegnato",
        failed="Il suo messaggio non ha raggiunto questi destinatari:",
        delayed_subject="Il suo messaggio è in ritardo",
        delayed="Il suo messaggio non ha ancora raggiunto questi destinatari.  I tentativi continuano; non occorre"
        " inviarlo di nuovo:",
        delivered_subject="Il suo messaggio è stato consegnato",
        delivered="Il suo messaggio è stato consegnato a questi destinatari, come aveva chiesto di sapere:",
        relayed_subject="Il suo messaggio è stato inoltrato",
        relayed="Il suo messaggio è stato inoltrato a un server che non comunica se lo consegna:",
        server="Questo è il server di posta {}.",
        said="{} ha risposto: {}",
        until="I tentativi continuano fino al {}.",
    ),
    "nl": Tongue(
        failed_subject="Uw bericht kon niet worden bezorgd",
        failed="Uw bericht heeft deze ontvangers niet bereikt:",
        delayed_subject="Uw bericht is vertraagd",
        delayed="Uw bericht heeft deze ontvangers nog niet bereikt.  Er wordt opnieuw geprobeerd; u hoeft het niet nog"
        " eens te sturen:",
        delivered_subject="Uw bericht is bezorgd",
        delivered="Uw bericht is bij deze ontvangers bezorgd, zoals u wilde weten:",
        relayed_subject="Uw bericht is doorgegeven",
        relayed="Uw bericht is doorgegeven aan een server die niet meldt of hij het bezorgt:",
        server="Dit is de mailserver {}.",
        said="{} antwoordde: {}",
        until="Er wordt geprobeerd tot {}.",
    ),
}


def known(tag: str) -> str:
    """The language of a tag such as ``de-AT``, as a key of ``TONGUES``; empty for one that we do not speak."""
    language = tag.strip().partition("-")[0].lower()
    return language if language in TONGUES else ""


def accepted(header: str) -> list[str]:
    """The tags of an Accept-Language, the dearest first; without what is no tag or weighs nothing (RFC 3282 3)."""
    found: list[tuple[float, str]] = []
    for item in header[:MAX_HEADER].split(","):
        match = _RANGE.match(item.strip())
        if match is not None and (weight := float(match[2] or 1)) > 0:
            found.append((-weight, match[1]))
    return [tag for _, tag in sorted(found, key=lambda each: each[0])]


def chosen(tags: Iterable[str]) -> str:
    """The first of the tags whose language we speak; English if there is none."""
    return next((language for tag in tags if (language := known(tag))), ENGLISH)
